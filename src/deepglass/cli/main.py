"""The command `deepglass`: its commands in the order of their use, and errors as exit codes."""

import gc
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

import deepglass
from deepglass import cli
from deepglass.cli import completion
from deepglass.cli.escaping import escaped_streams
from deepglass.cli.options import Json, argument
from deepglass.cli.prediction import embed, explain, generate, predict, verify
from deepglass.cli.runs import check, compare, evaluate, label, pack, report
from deepglass.cli.streams import message, print_json, silence
from deepglass.cli.training import inspect, new, resume, train
from deepglass.errors import CodeWarning, DataWarning, PeerError, SpecError, UnfinishedRunWarning, near_miss
from deepglass.failures import deepglass_error
from deepglass.training.distributed.environment import is_first_process
from deepglass.training.interrupt import Interrupted, raise_signals

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deep learning that you can see through: any data in, any prediction out, every step inspectable.",
    epilog="`deepglass COMMAND --help` describes the options of a command.",
)

COMMANDS = (
    inspect, new, train, resume, check, evaluate, compare, report, pack, predict, explain, generate, embed, verify,
    label,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)

SETTINGS = "settings"
LISTS = (
    SETTINGS,
    "features",
    "outputs",
    "trunks",
    "objectives",
    "optimizers",
    "schedules",
    "activations",
    "recipes",
    "data",
    "limits",
)


def _lists(incomplete: str) -> list[str]:
    return completion.starting(incomplete, LISTS)


USAGE_ERROR: Any = typer.BadParameter.__base__  # of the click package that typer uses


def _print_version(requested: bool) -> None:
    if requested:
        print(f"deepglass {deepglass.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command("list")
def list_names(
    what: Annotated[
        str | None,
        argument("WHAT", f"One of {', '.join(LISTS)}; by default all but settings.", _lists),
    ] = None,
    prefix: Annotated[
        str, argument("PREFIX", "Start of the names, such as training, or mlp for the settings of that network.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List settings, kinds of data, networks, objectives and other names.

    Example: deepglass list settings training
    """
    if what is not None and what not in LISTS:
        raise SpecError("unknown-name", f"list: no list {what!r}{near_miss(what, LISTS)}")
    if what == SETTINGS:
        settings = cli.describe_settings(prefix)
        if as_json:
            print_json([setting._asdict() for setting in settings])
        else:
            cli.show.show_settings(settings)
        return
    groups = cli.listing(what, prefix)
    show = print_json if as_json else cli.show.show_listing
    show(groups)


def _word(category: type[Warning]) -> str:
    return "note" if issubclass(category, DataWarning) else "warning"


def main() -> NoReturn:
    """The console script: an error is a line on stderr and an exit code; 128 and its number for a signal."""
    completion.answer_shell(app)
    with escaped_streams():
        code = _run()
    sys.exit(code)


def _run() -> int:
    """The exit code of the command."""
    if not is_first_process():
        warnings.simplefilter("ignore")
        return _exit_code()
    for category in (CodeWarning, DataWarning, UnfinishedRunWarning):
        warnings.simplefilter("always", category)
    warnings.showwarning = lambda text, category, *_: message(f"{_word(category)}: {text}")
    return _exit_code()


def _exit_code() -> int:
    code = 0
    try:
        with raise_signals():
            command = typer.main.get_command(app)
            with command.make_context("deepglass", sys.argv[1:]) as context:  # typer's own call hides how it ended
                command.invoke(context)
            sys.stdout.flush()
    except typer.Exit as end:
        code = end.exit_code
    except USAGE_ERROR as error:
        error.show()
        code = 2
    except Interrupted as error:
        message(f"interrupted by {error}{_advice(error)}")
        code = 128 + error.signum
    except BrokenPipeError:  # what reads the results has enough of them
        silence(sys.stdout)
    except Exception as error:
        failure = deepglass_error(error)
        if not isinstance(failure, PeerError):  # the other process shows it
            message(f"error: {failure}{_advice(error)}")
        code = failure.exit_code
    finally:
        gc.freeze()  # no garbage collection at exit
    return code


def _advice(error: BaseException) -> str:
    """What the run folder that an exception left tells to do, as the end of a sentence."""
    return f"; {notes[-1]}" if (notes := getattr(error, "__notes__", ())) else ""
