/** The random numbers of torch's CPU generator: the same seed gives the same draws. */

const MT_WORDS = 624; // of the state of mt19937
const MT_SHIFT = 397; // distance of the words that are mixed
const TWO_PI = Math.fround(2 * Math.PI);

/**
 * The Mersenne Twister mt19937, and the draws that torch makes from its numbers.
 *
 * Sources: Matsumoto and Nishimura 1998 (the generator); Box and Muller 1958 (normal
 * numbers); torch 2.13 (which draws are made in which order).
 */
export class Generator {
  /**
   * As torch does, only the last 32 bits of the seed are used. A seed that is larger
   * than 2^53 is exact as BigInt or as text.
   * @param {number | bigint | string} seed
   */
  constructor(seed) {
    this.words = new Uint32Array(MT_WORDS); // the state
    this.block = new Uint32Array(MT_WORDS); // the random numbers that it gives
    this.next = MT_WORDS; // the next one of the block; all are used, or none made
    /** @type {number | undefined} second number of a pair of `normal` */
    this.kept = undefined;

    this.words[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < MT_WORDS; i++) {
      const last = this.words[i - 1];
      this.words[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
  }

  /** Make the next block of random numbers. */
  advance() {
    const { words, block } = this;
    for (let i = 0; i < MT_WORDS; i++) {
      const following = words[i + 1 < MT_WORDS ? i + 1 : 0];
      const mixed =
        words[i < MT_WORDS - MT_SHIFT ? i + MT_SHIFT : i + MT_SHIFT - MT_WORDS];
      const joined = (words[i] & 0x80000000) | (following & 0x7fffffff);
      let y = mixed ^ (joined >>> 1) ^ (-(joined & 1) & 0x9908b0df);
      words[i] = y;
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      block[i] = y ^ (y >>> 18);
    }
    this.next = 0;
  }

  /** Return a whole number of 32 random bits. */
  random() {
    if (this.next === MT_WORDS) this.advance();
    return this.block[this.next++];
  }

  /**
   * Return a whole number in [0, n). ">>> 0" makes its division one of whole numbers,
   * which is four times as fast.
   * @param {number} n
   */
  below(n) {
    return (this.random() >>> 0) % (n >>> 0);
  }

  /** Return a whole number of 64 random bits. */
  random64() {
    const high = BigInt(this.random());
    return (high << 32n) | BigInt(this.random());
  }

  /** Return what `torch.empty((), dtype=torch.int64).random_()` draws. */
  int64() {
    return BigInt.asUintN(63, this.random64());
  }

  /** Return a number in [0, 1) with 53 random bits. */
  double() {
    return Number(BigInt.asUintN(53, this.random64())) / 2 ** 53;
  }

  /**
   * Fill with whole numbers from 0 to 254, as `random_(0, 255)` of torch, in place.
   * @param {Uint8Array} array
   */
  bytes(array) {
    for (let i = 0; i < array.length; i++) array[i] = this.below(255);
    return array;
  }

  /**
   * Return the numbers from 0 to n - 1 in random order, as `torch.randperm` does for n
   * up to 200 million. Source: the shuffle of Fisher and Yates.
   * @param {number} n
   */
  permutation(n) {
    const order = new Uint32Array(n).map((_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const other = i + this.below(n - i);
      [order[i], order[other]] = [order[other], order[i]];
    }
    return order;
  }

  /**
   * Fill with numbers in [from, to), as `uniform_` of torch does, in place.
   * @param {Float32Array} array
   * @param {number} from
   * @param {number} to
   */
  uniform(array, from = 0, to = 1) {
    const low = Math.fround(from);
    const width = Math.fround(Math.fround(to) - low);
    for (let i = 0; i < array.length; i++) {
      const unit = (this.random() & 0xffffff) / 2 ** 24;
      array[i] = unit * width + low; // rounded once, as by torch with AVX2
    }
    return array;
  }

  /**
   * Fill with draws from N(0, sd^2), as `normal_` of torch does, in place.
   *
   * 16 numbers or more are made in blocks of 16. If their count is no multiple of 16,
   * the last 16 are drawn again. Fewer numbers are made in pairs, with double
   * precision; if their count is odd, the second number of the last pair is kept until
   * fewer than 16 are asked for again.
   * @param {Float32Array} array
   * @param {number} sd
   */
  normal(array, sd = 1) {
    const n = array.length;
    if (n < 16) {
      for (let i = 0; i < n; i++) array[i] = sd * this.normalDouble();
      return array;
    }
    this.uniform(array);
    for (let start = 0; start + 16 <= n; start += 16) toNormal(array, start, sd);
    if (n % 16 > 0) {
      this.uniform(array.subarray(n - 16));
      toNormal(array, n - 16, sd);
    }
    return array;
  }

  /** Return a draw from N(0, 1): one that was kept, or the first one of a new pair. */
  normalDouble() {
    const kept = this.kept;
    this.kept = undefined;
    if (kept !== undefined) return kept;
    const angle = 2 * Math.PI * this.double();
    const radius = Math.sqrt(-2 * Math.log1p(-this.double()));
    this.kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/**
 * Turn 16 numbers in [0, 1) into draws from N(0, sd^2), in place: number i, of the
 * first half, and number i + 8 give a pair.
 * @param {Float32Array} array
 * @param {number} start
 * @param {number} sd
 */
function toNormal(array, start, sd) {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - array[i]));
    const angle = Math.fround(TWO_PI * array[i + 8]); // rounded as in torch
    array[i] = sd * radius * Math.cos(angle);
    array[i + 8] = sd * radius * Math.sin(angle);
  }
}
