// Normal noise of a seed, the very values of NumPy's default_rng(seed).standard_normal(…, float32): PCG64 (O'Neill 2014)
// seeded by SeedSequence, and the ziggurat of Marsaglia and Tsang (2000). Written from those methods; a test compares
// the values.
const WORD = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

// 32-bit words of a whole number, the lowest first
function words(seed) {
  const found = [];
  for (let rest = BigInt(seed); rest || !found.length; rest >>= 32n) found.push(Number(rest & WORD));
  return found;
}

function seedSequence(seed) {
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (a, b) => {
    const mixed = (Math.imul(0xca01f9dd, a) - Math.imul(0x4973f715, b)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const entropy = words(seed);
  const pool = [0, 1, 2, 3].map((index) => hash(entropy[index] || 0));
  for (let source = 0; source < 4; source++) {
    for (let target = 0; target < 4; target++) {
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
    }
  }
  for (const more of entropy.slice(4)) for (let target = 0; target < 4; target++) pool[target] = mix(pool[target], hash(more));
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, index) => {
    let value = (pool[index % 4] ^ constant) >>> 0;
    constant = Math.imul(constant, 0x58f38ded) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
}

class Pcg64 {
  constructor(seed) {
    const state = seedSequence(seed).map(BigInt);
    const [a, b, c, d] = [0, 2, 4, 6].map((index) => state[index] | (state[index + 1] << 32n));
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & MASK128;
    this.state = 0n;
    this.step();
    this.state = (this.state + ((a << 64n) | b)) & MASK128;
    this.step();
    this.kept = null;
  }

  step() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }

  // Two 32-bit numbers from each step, the lower one first
  word() {
    if (this.kept !== null) {
      const word = this.kept;
      this.kept = null;
      return word;
    }
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & MASK64);
    const turn = this.state >> 122n;
    const value = ((folded >> turn) | (folded << ((64n - turn) & 63n))) & MASK64;
    this.kept = Number(value >> 32n);
    return Number(value & WORD);
  }

  // 24 bits in [0, 1)
  share() {
    return (this.word() >>> 8) / 16777216;
  }
}

const RIM = 3.654152885361009; // where the tail begins
const { width, height, inside } = (() => {
  const bell = (x) => Math.exp(-0.5 * x * x);
  // the area under the tail beyond RIM, and of each of the 256 layers
  const area = 0.00492867323397465524494;
  const edges = new Float64Array(256);
  edges[255] = RIM;
  for (let i = 255; i > 1; i--) edges[i - 1] = Math.sqrt(-2 * Math.log(area / edges[i] + bell(edges[i])));
  const scale = 2 ** 23;
  const [width, height, inside] = [new Float32Array(256), new Float32Array(256), new Uint32Array(256)];
  for (let i = 1; i < 256; i++) {
    width[i] = edges[i] / scale;
    height[i] = bell(edges[i]);
    inside[i] = i > 1 ? Math.round((edges[i - 1] / edges[i]) * scale) : 0;
  }
  width[0] = area / bell(RIM) / scale;
  height[0] = 1;
  inside[0] = Math.round(((RIM * bell(RIM)) / area) * scale);
  return { width, height, inside };
})();

const float = Math.fround;

function normal(source) {
  for (;;) {
    const word = source.word();
    const layer = word & 0xff;
    const place = (word >>> 9) & 0x7fffff;
    const x = float(place * width[layer]) * (word & 0x100 ? -1 : 1);
    if (place < inside[layer]) return x;
    if (layer === 0) {
      for (;;) {
        const beyond = float(-float(1 / RIM) * float(Math.log1p(-source.share())));
        const weight = float(-Math.log1p(-source.share()));
        if (float(weight + weight) > float(beyond * beyond)) return (place >>> 8) & 1 ? -float(float(RIM) + beyond) : float(float(RIM) + beyond);
      }
    }
    const between = float(float(float(height[layer - 1] - height[layer]) * source.share()) + height[layer]);
    if (between < Math.exp(-0.5 * x * x)) return x;
  }
}

// float32 [count · latent], as `gandemo.tasks.digits.noise` draws it
export function noise(seed, count, latent) {
  const source = new Pcg64(seed);
  return Float32Array.from({ length: count * latent }, () => normal(source));
}
