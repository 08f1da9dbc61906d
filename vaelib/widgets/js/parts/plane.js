/**
 * Plane of two latents: test images as points, the posterior of the image, decoded
 * images on a grid, and z as a point to drag.
 */

import { clamp, latentName, numberText } from "../engine/numbers.js";
import { OWN_KEYS, div, html, setAttributes, svg } from "./controls.js";
import { paint, resizeCanvas } from "./picture.js";

/** @typedef {import("../engine/network.js").Network} Network */
/** @typedef {import("../engine/network.js").Posterior} Posterior */

export const REACH = 4; // the plane shows the interval [-4, 4] of both latents
const CELLS = 16; // decoded images along each side
const CANVAS_SIZE = 720; // pixels of the canvas with the points
const FRAME_SHARE = 6; // milliseconds of each frame that decoding may use

const MOST_NAMES = 30; // classes in the legend
// Ten colours that can be told apart on a light and on a dark background. Points are
// drawn as the name of their class if all names have one character.
const COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#b8860b",
  "#2f9fe0",
  "#8c6bb1",
  "#e5484d",
  "#5a9e2f",
  "#8a8f98",
];
const NO_CLASS = "#8a8f9880";
const GOLDEN_ANGLE = 137.508; // degrees: hues that follow each other differ much

/**
 * Return the colour of a class; more than ten classes get one hue each.
 * @param {number | undefined} label negative: the image has no class
 * @param {number} classes how many there are
 */
export function colourOf(label = 0, classes = 1) {
  if (label < 0) return NO_CLASS;
  if (classes <= COLOURS.length) return COLOURS[label % COLOURS.length];
  return `hsl(${Math.round(label * GOLDEN_ANGLE) % 360} 65% 48%)`;
}

/** @param {(right: number, up: number) => void} onMove called when the user moves z */
export function latentPlane(onMove) {
  const manifold = html("canvas", { "aria-hidden": "true" });
  const size = { width: CANVAS_SIZE, height: CANVAS_SIZE };
  const points = html("canvas", { "aria-hidden": "true", ...size });
  const ellipse = svg("ellipse", { class: "posterior" });
  const halo = svg("circle", { r: 0.2, class: "halo" });
  const point = svg("g", { class: "point" }, halo, svg("circle", { r: 0.2 }));
  const names = [
    svg("text", { x: REACH - 0.1, y: -0.12, "text-anchor": "end" }),
    svg("text", { x: 0.12, y: -REACH + 0.42 }),
  ];
  const viewBox = `${-REACH} ${-REACH} ${2 * REACH} ${2 * REACH}`;
  const front = svg(
    "svg",
    { viewBox, tabindex: 0, role: "application", [OWN_KEYS]: "true" },
    svg("g", { class: "axes" }, ...axisLines(), ...names),
    ellipse,
    point,
  );
  const root = div("plane", manifold, points, front);
  let position = [0, 0];
  let manifoldCall = 0; // a later call ends the work of an earlier one

  /** Move z, in steps of 1/100. @param {number} x @param {number} y */
  function moveTo(x, y) {
    const [right, up] = [x, y].map(
      (value) => Math.round(100 * clamp(value, -REACH, REACH)) / 100,
    );
    onMove(right, up);
  }

  /** @param {PointerEvent} event */
  function drag({ clientX, clientY }) {
    const box = front.getBoundingClientRect();
    const u = (clientX - box.left) / box.width;
    const v = (clientY - box.top) / box.height;
    moveTo((2 * u - 1) * REACH, (1 - 2 * v) * REACH);
  }
  front.onpointerdown = (event) => {
    front.setPointerCapture(event.pointerId);
    drag(event);
  };
  front.onpointermove = (event) => {
    if (event.buttons & 1) drag(event);
  };
  front.onkeydown = (event) => {
    const direction = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
    }[event.key];
    if (!direction) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 0.5 : 0.1;
    moveTo(position[0] + step * direction[0], position[1] + step * direction[1]);
  };

  return {
    root,
    /** Name the axes. @param {number} right @param {number} up */
    showAxes(right, up) {
      const [a, b] = [latentName(right), latentName(up)];
      names[0].textContent = a;
      names[1].textContent = b;
      const help = "drag the point, or move it with the arrow keys";
      front.setAttribute("aria-label", `Plane of ${a} and ${b}: ${help}`);
    },
    /** Show z. @param {number} x @param {number} y */
    showPoint(x, y) {
      position = [x, y];
      point.setAttribute("transform", `translate(${x} ${-y})`);
    },
    /**
     * Show one standard deviation of q(z|x) around its mean, or nothing.
     * @param {Posterior | null} posterior
     * @param {number} right
     * @param {number} up
     */
    showPosterior(posterior, right, up) {
      ellipse.setAttribute("visibility", posterior ? "visible" : "hidden");
      if (!posterior) return;
      const { mu, sigma } = posterior;
      setAttributes(ellipse, { cx: mu[right], cy: -mu[up] });
      setAttributes(ellipse, { rx: sigma[right], ry: sigma[up] });
    },
    /**
     * Draw the posterior means of test images, each as its class.
     * @param {Float32Array} mu means (N, J)
     * @param {{ labels?: number[], classes?: string[] }} test
     * @param {number} latents
     * @param {number} right
     * @param {number} up
     */
    drawPoints(mu, test, latents, right, up) {
      const context = points.getContext("2d");
      if (!context) return;
      context.clearRect(0, 0, CANVAS_SIZE, CANVAS_SIZE);
      context.font = `bold ${CANVAS_SIZE / 48}px sans-serif`;
      const { labels = [], classes = [] } = test;
      const areMarks = classes.every((name) => [...name].length === 1);
      const count = Math.max(classes.length, 1 + Math.max(0, ...labels));
      const scale = CANVAS_SIZE / (2 * REACH);
      for (let i = 0; i * latents < mu.length; i++) {
        const x = (mu[i * latents + right] + REACH) * scale;
        const y = (REACH - mu[i * latents + up]) * scale;
        context.fillStyle = colourOf(labels[i], count);
        const mark = areMarks && classes[labels[i]];
        if (mark) context.fillText(mark, x - 4, y + 5);
        else context.fillRect(x - 3, y - 3, 6, 6);
      }
    },
    /**
     * Draw what the decoder makes of the centre of each cell, a few cells per frame.
     * @param {Network | null} network null hides the images
     * @param {Float32Array} z the values of the other latents
     * @param {number} right
     * @param {number} up
     */
    drawManifold(network, z, right, up) {
      const call = ++manifoldCall;
      manifold.hidden = !network;
      if (!network) return;
      const { shape } = network;
      const [, height, width] = shape;
      resizeCanvas(manifold, CELLS * width, CELLS * height);
      const moved = z.slice();
      let cell = 0;

      function drawCell() {
        const [column, row] = [cell % CELLS, Math.floor(cell / CELLS)];
        moved[right] = ((2 * (column + 0.5)) / CELLS - 1) * REACH;
        moved[up] = (1 - (2 * (row + 0.5)) / CELLS) * REACH;
        const image = /** @type {Network} */ (network).decode(moved);
        paint(manifold, image, shape, column * width, row * height);
      }
      function drawSome() {
        const start = performance.now();
        for (; cell < CELLS ** 2; cell++) {
          if (performance.now() - start >= FRAME_SHARE) break;
          drawCell();
        }
        if (cell < CELLS ** 2 && call === manifoldCall) requestAnimationFrame(drawSome);
      }
      drawSome();
    },
  };
}

/** Create the two axes and their ticks. */
function axisLines() {
  const axes = [
    svg("line", { x1: -REACH, x2: REACH }),
    svg("line", { y1: -REACH, y2: REACH }),
  ];
  const marks = [-3, -2, -1, 1, 2, 3].flatMap((tick) => [
    svg("line", { x1: tick, x2: tick, y1: -0.07, y2: 0.07 }),
    svg("line", { y1: tick, y2: tick, x1: -0.07, x2: 0.07 }),
    svg("text", { x: tick, y: 0.42, "text-anchor": "middle" }, numberText(tick)),
    svg("text", { x: -0.15, y: -tick + 0.1, "text-anchor": "end" }, numberText(tick)),
  ]);
  return [...axes, ...marks];
}

/** Create a legend in the colours of the points. @param {string[]} classes */
export function classLegend(classes) {
  const entries = classes.slice(0, MOST_NAMES).map((name, i) => {
    const mark = html("span", { className: "mark" });
    mark.style.background = colourOf(i, classes.length);
    return html("span", {}, mark, name);
  });
  const others = classes.length - entries.length;
  if (others > 0) entries.push(html("span", {}, `and ${others} more`));
  return div("legend", ...entries);
}
