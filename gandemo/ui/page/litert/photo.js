// What photos go through before and after a network, value for value as gandemo.data.images does it: CIE Lab under D65,
// scaling with antialiasing, overlapping tiles. Pixels are RGBA bytes; planes are float32, channels interleaved.
const ROWS = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169], [0.019334, 0.119193, 0.950227]];
const TO_XYZ = ROWS.map((row) => row.map((value) => value / (row[0] + row[1] + row[2])));
const FROM_XYZ = inverse(TO_XYZ);
const KNEE = 0.008856;
const FINE = 4; // how much finer than the small copy the colour's coefficients are computed
const [NEIGHBOURS, DAMPING] = [2, 0.12]; // how far colour follows lightness

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const minors = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d]];
  const determinant = a * minors[0][0] + b * minors[1][0] + c * minors[2][0];
  return minors.map((row) => row.map((value) => value / determinant));
}

const byte = (signed) => Math.max(0, Math.min(255, Math.round((signed + 1) * 127.5)));
const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const LINEAR = Float64Array.from({ length: 256 }, (_, value) => linear(value / 255));

function lab(red, green, blue) {
  const [x, y, z] = TO_XYZ.map((row) => {
    const value = row[0] * red + row[1] * green + row[2] * blue;
    return value > KNEE ? Math.cbrt(value) : 7.787 * value + 16 / 116;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

// Red, green and blue of RGBA bytes, as float32 in 0..255
function planes(pixels) {
  const out = new Float32Array((pixels.length / 4) * 3);
  for (let i = 0, p = 0; p < pixels.length; i += 3, p += 4) out.set(pixels.subarray(p, p + 3), i);
  return out;
}

// L / 50 - 1 of planes in 0..255
function lightness(rgb) {
  const out = new Float32Array(rgb.length / 3);
  for (let i = 0; i < out.length; i++) out[i] = lab(...[0, 1, 2].map((channel) => linear(rgb[3 * i + channel] / 255)))[0] / 50 - 1;
  return out;
}

// a / 110 and b / 110 of an RGB picture in [-1, 1]
export function chromaOf(picture) {
  const out = new Float32Array((picture.length / 3) * 2);
  for (let i = 0, p = 0; p < picture.length; i += 2, p += 3) {
    const colour = lab(...[0, 1, 2].map((channel) => linear((Math.max(-1, Math.min(1, picture[p + channel])) + 1) / 2)));
    out[i] = colour[1] / 110;
    out[i + 1] = colour[2] / 110;
  }
  return out;
}

// BT.601's grey of planes in 0..255, in [-1, 1]
function luma(rgb) {
  const out = new Float32Array(rgb.length / 3);
  for (let i = 0; i < out.length; i++) out[i] = (0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2]) / 127.5 - 1;
  return out;
}

// A photo in the colours of a small copy: within a few pixels of the copy, chroma is taken for a straight line over
// lightness, and the photo's own lightness is put into that line.
function spread(pixels, width, height, light, chroma, wide, high) {
  const [fineWide, fineHigh] = [Math.min(width, FINE * wide), Math.min(height, FINE * high)];
  const finer = (from, channels) => resize(from, channels, wide, high, fineWide, fineHigh, CUBIC);
  const [mean, meanOfSquares] = [light, light.map((value) => value * value)].map((from) => means(from, 1, wide, high));
  const [meanChroma, meanOfBoth] = [chroma, chroma.map((value, i) => value * light[i >> 1])].map((from) => means(from, 2, wide, high));
  const follows = (_, i) => (meanOfBoth[i] - mean[i >> 1] * meanChroma[i]) / (meanOfSquares[i >> 1] - mean[i >> 1] ** 2 + DAMPING);
  const gain = finer(chroma.map(follows), 2);
  const [fineChroma, fineLight] = [finer(chroma, 2), finer(light, 1)];
  const offset = fineChroma.map((value, i) => value - gain[i] * fineLight[i >> 1]);
  const [columns, rows] = [between(fineWide, width), between(fineHigh, height)];
  const out = new Uint8ClampedArray(pixels);
  for (let y = 0, p = 0; y < height; y++) {
    const [above, below, down] = rows[y];
    for (let x = 0; x < width; x++, p += 4) {
      const [left, right, across] = columns[x];
      const [i, j, k, l] = [2 * (above * fineWide + left), 2 * (above * fineWide + right), 2 * (below * fineWide + left), 2 * (below * fineWide + right)];
      const luminance = TO_XYZ[1][0] * LINEAR[pixels[p]] + TO_XYZ[1][1] * LINEAR[pixels[p + 1]] + TO_XYZ[1][2] * LINEAR[pixels[p + 2]];
      const root = luminance > KNEE ? Math.cbrt(luminance) : 7.787 * luminance + 16 / 116;
      const tone = (116 * root - 16) / 50 - 1;
      const a = square(offset, i, j, k, l, across, down) + tone * square(gain, i, j, k, l, across, down);
      const b = square(offset, i + 1, j + 1, k + 1, l + 1, across, down) + tone * square(gain, i + 1, j + 1, k + 1, l + 1, across, down);
      paint(out, p, luminance, power(root + (110 * a) / 500) - luminance, power(root - (110 * b) / 200) - luminance);
    }
  }
  return out;
}

const ROOT_OF_KNEE = Math.cbrt(KNEE);
const power = (root) => (root > ROOT_OF_KNEE ? root * root * root : (root - 16 / 116) / 7.787);

// Between the four corners of a map.
function square(map, i, j, k, l, across, down) {
  const above = map[i] + across * (map[j] - map[i]);
  return above + down * (map[k] + across * (map[l] - map[k]) - above);
}

// One pixel of that luminance, and of the colour that is `x` and `z` of XYZ away from grey, as far as sRGB has it.
const AWAY = new Float64Array(3);
function paint(out, p, luminance, x, z) {
  let within = 1;
  for (let channel = 0; channel < 3; channel++) {
    const away = (AWAY[channel] = FROM_XYZ[channel][0] * x + FROM_XYZ[channel][2] * z);
    within = Math.min(within, (away > 0 ? 1 - luminance : luminance) / Math.max(1e-9, Math.abs(away)));
  }
  for (let channel = 0; channel < 3; channel++) {
    const value = Math.max(0, Math.min(1, luminance + within * AWAY[channel]));
    out[p + channel] = Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
  }
}

// Each pixel's mean with its neighbours, as far as there are any.
function means(from, channels, width, height) {
  const out = new Float32Array(from.length);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(0, y - NEIGHBOURS), Math.min(height - 1, y + NEIGHBOURS)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - NEIGHBOURS), Math.min(width - 1, x + NEIGHBOURS)];
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let v = top; v <= bottom; v++) for (let u = left; u <= right; u++) sum += from[channels * (v * width + u) + channel];
        out[channels * (y * width + x) + channel] = sum / ((bottom - top + 1) * (right - left + 1));
      }
    }
  }
  return out;
}

// For each place of a long line: its two neighbours on a short one, and how near the second is.
function between(small, full) {
  return Array.from({ length: full }, (_, place) => {
    const there = Math.max(0, Math.min(small - 1, (place + 0.5) * (small / full) - 0.5));
    const before = Math.floor(there);
    return [before, Math.min(small - 1, before + 1), there - before];
  });
}

// How much an old pixel counts at a distance, and from where on it does not.
const LINE = { reach: 1, share: (distance) => 1 - distance };
const CUBIC = { reach: 2, share: (distance) => (distance < 1 ? (1.5 * distance - 2.5) * distance ** 2 + 1 : ((-0.5 * distance + 2.5) * distance - 4) * distance + 2) };

// For each new pixel along a side: the first old one that it is made of, and the share of each.
function weights(from, to, { reach, share }) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, index) => {
    const centre = scale * (index + 0.5);
    const first = Math.max(0, Math.floor(centre - reach * wide + 0.5));
    const end = Math.min(from, Math.floor(centre + reach * wide + 0.5));
    const shares = Array.from({ length: end - first }, (_, i) => Math.abs((first + i - centre + 0.5) / wide)).map((distance) => (distance < reach ? share(distance) : 0));
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, shares: shares.map((share) => share / sum) };
  });
}

// Bilinear or bicubic, and each new pixel a mean of all that it covers.
function resize(from, channels, width, height, toWidth, toHeight, kind = LINE) {
  if (width === toWidth && height === toHeight) return from;
  const [columns, rows] = [weights(width, toWidth, kind), weights(height, toHeight, kind)];
  const across = new Float32Array(channels * toWidth * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < toWidth; x++) {
      const { first, shares } = columns[x];
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let i = 0; i < shares.length; i++) sum += shares[i] * from[channels * (y * width + first + i) + channel];
        across[channels * (y * toWidth + x) + channel] = sum;
      }
    }
  }
  const to = new Float32Array(channels * toWidth * toHeight);
  for (let y = 0; y < toHeight; y++) {
    const { first, shares } = rows[y];
    for (let x = 0; x < channels * toWidth; x++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * across[channels * toWidth * (first + i) + x];
      to[channels * toWidth * y + x] = sum;
    }
  }
  return to;
}

// --- tiles ------------------------------------------------------------------------------------------------

const OVERLAP = 32;
const ALIGN = 16;

function starts(length, side, overlap, align) {
  const spare = Math.ceil(Math.max(length - side, 0) / align);
  const count = Math.ceil(spare / Math.floor((side - overlap) / align));
  return count ? Array.from({ length: count + 1 }, (_, index) => Math.floor((spare * index) / count) * align) : [0];
}

function fade(place, length, overlap) {
  const margin = Math.floor(Math.min(overlap, length) / 4);
  return Math.max(0, Math.min(1, (place + 0.5 - margin) / (length - 2 * margin)));
}

// Planes of any size through `run`, which takes a square tile of `from` channels and gives one of `to` channels.
async function tiled(planes, from, to, width, height, { side, overlap, align }, run, told = () => {}) {
  const [tops, lefts] = [height, width].map((length) => starts(length, side, overlap, align));
  const whole = new Float32Array(to * width * height);
  let done = 0;
  for (const [row, top] of tops.entries()) {
    const strip = new Float32Array(to * width * side);
    for (const [column, left] of lefts.entries()) {
      const tile = await run(cut(planes, from, width, height, top, left, side));
      const shared = column ? lefts[column - 1] + side - left : 0;
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < Math.min(side, width - left); x++) {
          const share = x < shared ? fade(x, shared, overlap) : 1;
          for (let channel = 0; channel < to; channel++) {
            const place = to * (y * width + left + x) + channel;
            strip[place] += share * (tile[to * (y * side + x) + channel] - strip[place]);
          }
        }
      }
      told(++done / (tops.length * lefts.length));
    }
    const shared = row ? tops[row - 1] + side - top : 0;
    for (let y = 0; y < Math.min(side, height - top); y++) {
      const share = y < shared ? fade(y, shared, overlap) : 1;
      for (let x = 0; x < to * width; x++) {
        const place = to * width * (top + y) + x;
        whole[place] += share * (strip[to * width * y + x] - whole[place]);
      }
    }
  }
  return whole;
}

// One tile; beyond the edge, the last row or column goes on.
function cut(planes, channels, width, height, top, left, side) {
  const tile = new Float32Array(channels * side * side);
  for (let y = 0; y < side; y++) {
    const line = Math.min(top + y, height - 1) * width;
    for (let x = 0; x < side; x++) {
      const from = channels * (line + Math.min(left + x, width - 1));
      for (let channel = 0; channel < channels; channel++) tile[channels * (y * side + x) + channel] = planes[from + channel];
    }
  }
  return tile;
}

// A photo through `run`, which takes a tile [side, side, 3] in [-1, 1] and gives one; RGBA bytes come out.
export async function byTiles(pixels, width, height, side, run, told) {
  const signed = planes(pixels).map((value) => value / 127.5 - 1);
  const whole = await tiled(signed, 3, 3, width, height, { side, overlap: OVERLAP, align: ALIGN }, run, told);
  const out = new Uint8ClampedArray(pixels);
  for (let i = 0, p = 0; p < out.length; i += 3, p += 4) for (let channel = 0; channel < 3; channel++) out[p + channel] = byte(whole[i + channel]);
  return out;
}

// A photo in colour. `run` takes a square tile [side, side, 1] of a small copy, whose shorter side is a tile's, as grey
// (`isGrey`) or as lightness, and gives its chroma [side, side, 2]; the photo's own lightness stays as it is.
export async function colorize(pixels, width, height, side, isGrey, run, told) {
  const [wide, high] = [width, height].map((length) => Math.max(side, Math.floor((length * side) / Math.min(width, height) + 0.5)));
  const small = resize(planes(pixels), 3, width, height, wide, high);
  const squares = { side, overlap: Math.floor(side / 2), align: 1 };
  const light = lightness(small);
  const chroma = await tiled(isGrey ? luma(small) : light, 1, 2, wide, high, squares, run, told);
  return spread(pixels, width, height, light, chroma, wide, high);
}
