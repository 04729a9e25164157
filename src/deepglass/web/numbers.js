// Numbers as text, as `formatting.py` writes them in the report.
const NO_VALUE = "\u2013", MINUS = "\u2212", SPACE = "\u00a0";
const SUPERSCRIPT = { "-": "\u207b", ...Object.fromEntries([..."\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"].map((sign, i) => [i, sign])) };

export const count = (n) => n.toLocaleString("en").replace("-", MINUS);

// `short`: significant digits without trailing zeros; thousands separators from 10,000 on, as it may be a year.
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return NO_VALUE;
  const rounded = Number(value.toPrecision(digits)), size = Math.abs(rounded);
  let text = size >= 9999.5 ? rounded.toLocaleString("en") : String(rounded);
  if (size && (size >= 1e9 || size < 1e-4)) {
    const [mantissa, exponent] = rounded.toExponential(digits - 1).split("e");
    text = `${mantissa}${SPACE}\u00d7${SPACE}10${[...String(Number(exponent))].map((sign) => SUPERSCRIPT[sign]).join("")}`;
  }
  return text.replace("-", MINUS);
}

// `confidence`: per cent, with a decimal from 0.99 on; never 100 %, which is 0.99999 rounded.
export const confidence = (share) => percent(Math.min(share, 1 - Number.EPSILON), share >= 0.99 ? 1 : 0);

// `percent`: less than all is never written as 100 %, more than nothing never as 0 %.
export function percent(share, digits) {
  if (!Number.isFinite(share)) return NO_VALUE;
  const step = 10 ** -digits;
  let text = evenFixed(100 * share, digits);
  if (share < 1 && Number(text) >= 100) text = `>${(100 - step).toFixed(digits)}`;
  else if (share > 0 && Number(text) === 0) text = `<${step.toFixed(digits)}`;
  return text + SPACE + "%";
}

// Halves are rounded to even, as Python does.
function evenFixed(value, digits) {
  const scaled = value * 10 ** digits, floor = Math.floor(scaled);
  return scaled - floor === 0.5 ? ((floor + (floor % 2)) / 10 ** digits).toFixed(digits) : value.toFixed(digits);
}
