/**
 * Adam, with the operations of torch.optim.Adam in the same order.
 *
 * @typedef {import("./layers.js").Tensor} Tensor
 * @typedef {import("./products.js").Arena} Arena
 */

const BETA1 = 0.9;
const EPS = 1e-8;

export class Adam {
  /**
   * @param {Arena} arena that contains the parameters
   * @param {Tensor[]} parameters
   * @param {number} beta2
   */
  constructor(arena, parameters, beta2) {
    this.kernels = arena.kernels;
    this.parameters = parameters;
    this.beta2 = beta2;
    /** @type {Map<Tensor, number>} */
    this.steps = new Map(); // of each parameter
  }

  /**
   * Change parameters by their gradients.
   * @param {number} rate learning rate
   * @param {Tensor[]} [some] all, if not given
   */
  step(rate, some = this.parameters) {
    const { kernels } = this;
    for (const tensor of some) {
      const steps = (this.steps.get(tensor) ?? 0) + 1;
      this.steps.set(tensor, steps);
      const factors = this.factors(rate, steps);
      const { data, gradient, mean, square } = tensor;
      const arrays = [data, gradient, mean, square].map((array) => array.byteOffset);
      // Padding is 0 and stays so.
      const length = Math.ceil(data.length / 4) * 4;
      if (kernels) kernels.adam(...arrays, length, ...Object.values(factors));
      else plainStep(tensor, factors);
    }
  }

  /**
   * Return the numbers of step number `steps`. Both means start at 0, and are divided
   * by the share of them that is known.
   * @param {number} rate
   * @param {number} steps
   */
  factors(rate, steps) {
    const { beta2 } = this;
    const known = [BETA1, beta2].map((beta) => 1 - beta ** steps);
    return {
      share: 1 - BETA1,
      beta2,
      share2: 1 - beta2,
      root: Math.sqrt(known[1]),
      eps: EPS,
      size: rate / known[0],
    };
  }
}

/**
 * Change one parameter.
 * @param {Tensor} tensor
 * @param {Record<string, number>} factors
 */
function plainStep({ data, gradient, mean, square }, factors) {
  const { share, beta2, share2, root, eps, size } = factors;
  for (let i = 0; i < data.length; i++) {
    const g = gradient[i];
    mean[i] += share * (g - mean[i]);
    square[i] = beta2 * square[i] + share2 * g * g;
    data[i] -= (size * mean[i]) / (Math.sqrt(square[i]) / root + eps);
  }
}
