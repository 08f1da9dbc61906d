/** The steps of the tours of explorer and Playground. */

import { tourButton } from "./tour.js";
import { words } from "./words.js";

/** @typedef {import("../engine/network.js").Posterior} Posterior */

/**
 * @typedef {object} ExplorerState
 * @property {number} testImage -1 for a drawing or no image
 * @property {Float32Array} z
 * @property {Posterior | null} posterior
 */

/** @param {ExplorerState} now @param {ExplorerState} before */
const hasMoved = (now, before) => String(now.z) !== String(before.z);
/** @param {ExplorerState} state */
const isAtMean = ({ z, posterior }) => String(z) === String(posterior?.mu);

/** @type {import("./tour.js").TourStep<ExplorerState>[]} */
const EXPLORER = [
  {
    at: ".bar .field",
    asks: words`An image x goes in on the left. Choose another: change its number.`,
    isDone: (now, before) => now.testImage >= 0 && now.testImage !== before.testImage,
    tells: words`The encoder has computed q(z|x) of this image: in orange, its mean μ
      and its σ for each latent.`,
  },
  {
    at: ".latents .latent",
    asks: words`Move z of the first latent, which has the most KL, by 1 or more.`,
    isDone: (now, before) =>
      now.z.some((value, j) => Math.abs(value - before.z[j]) >= 1),
    tells: words`Only the decoder ran: x and q(z|x) are as they were, and x̂ is
      another.`,
  },
  {
    at: ".middle .bar button",
    asks: words`Press z = μ.`,
    isDone: isAtMean,
    tells: words`z is the mean of q(z|x), and x̂ is the reconstruction of x.`,
  },
  {
    at: ".middle .bar button:nth-of-type(2)",
    asks: words`Press Sample z from q(z|x): z = μ + σ ε, with new noise ε. Do it
      again.`,
    isDone: (now, before) => hasMoved(now, before) && !isAtMean(now),
    tells: words`Where σ is small, z hardly moves, and x̂ is still a picture of x. Where
      σ is near 1, z moves, and x̂ hardly depends on it.`,
  },
  {
    at: ".draw",
    asks: words`Draw a stroke on x. Arrow keys draw too: the space bar lowers the pen.`,
    isDone: ({ testImage, posterior }) => testImage < 0 && posterior !== null,
    tells: words`No such image was trained on. The encoder gives its μ and σ all the
      same, and x̂ is what the decoder makes of them.`,
  },
  {
    at: ".plane",
    asks: words`Drag the ring in the plane of two latents, or click a dot.`,
    isDone: hasMoved,
    tells: words`Each point is another picture, and each dot is the mean of a test
      image.`,
  },
  {
    at: ".bar > button:nth-of-type(3)",
    asks: words`Press Random sample.`,
    isDone: (now, before) => hasMoved(now, before) && !now.posterior,
    tells: words`No image went in: z was drawn from the prior p(z), and x̂ is a sample
      of the model.`,
  },
  {
    at: ".strips input",
    asks: words`Move the slider from A to B.`,
    isDone: hasMoved,
    tells: words`On the way from one mean to the other, each z is decoded to a
      picture.`,
  },
];

/** @typedef {Record<string, any>} PlaygroundState frame, settings and kept runs */

const SILENT = 0.01; // nats
const WATCHED = 100; // updates
/**
 * Return whether so many were made, by the same model or by a new one.
 * @param {PlaygroundState} now
 * @param {PlaygroundState} before
 */
const hasWatched = (now, before) =>
  now.step - (now.step < before.step ? 0 : before.step) >= WATCHED;
/** @param {PlaygroundState} state */
const silent = ({ kl }) =>
  kl.filter((/** @type {number} */ nats) => nats < SILENT).length;

/** @type {import("./tour.js").TourStep<PlaygroundState>[]} */
const PLAYGROUND = [
  {
    at: "button.main",
    asks: words`Press Train.`,
    isDone: ({ running }) => running,
    tells: words`Each update makes recon + β KL a little smaller, on a
      mini-batch of images.`,
  },
  {
    at: ".charts",
    asks: words`Watch ${WATCHED} updates.`,
    isDone: hasWatched,
    tells: words`recon falls while the KL grows: z has begun to carry information about
      x.`,
  },
  {
    at: ".beta",
    asks: words`Raise β until one latent more falls silent: less than ${SILENT} nats of
      KL.`,
    isDone: (now, before) => now.beta > before.beta && silent(now) > silent(before),
    tells: words`β is the price of a nat. For a latent that saves less than it costs,
      q(z|x) is the prior, for each image.`,
  },
  {
    at: ".beta",
    asks: words`Lower β to 0.1 or less, and watch ${WATCHED} updates.`,
    isDone: (now, before) => now.beta <= 0.1 && hasWatched(now, before),
    tells: words`Information is cheap: the KL is large, and the reconstructions are
      sharp. Samples are poor, for the codes are no longer where the prior draws z.`,
  },
  {
    at: "[name=latent_dim]",
    asks: words`Choose another number of latents.`,
    isDone: (now, before) => now.latent_dim !== before.latent_dim,
    tells: words`A new model has begun. The curves of the one before stay, in pale
      colours.`,
  },
  {
    at: "[name=loss]",
    asks: words`Choose another loss.`,
    isDone: (now, before) => now.loss !== before.loss,
    tells: words`Losses have units of their own. Where they differ, only the KL of the
      pale curves can be compared.`,
  },
  {
    at: "[name=keep]",
    asks: words`Train a little, then press Keep.`,
    isDone: (now, before) => now.kept > before.kept,
    tells: words`A table below shows its terms on the test images, and how to repeat
      it.`,
  },
  {
    at: "button.main",
    asks: words`Press Pause.`,
    isDone: ({ running }) => !running,
    tells: words`Now all controls are yours.`,
  },
];

/** @param {() => ExplorerState} stateOf */
export const explorerTour = (stateOf) => tourButton("explorer", EXPLORER, stateOf);

/** @param {import("./events.js").Model} model */
export function playgroundTour(model) {
  return tourButton("Playground", PLAYGROUND, () => {
    const { length: kept } = model.get("kept");
    return { ...model.get("frame"), ...model.get("settings"), kept };
  });
}
