/**
 * Plane of two latents: test images as points, the posterior of the image, decoded
 * images on a grid, and z as a point to drag.
 */

import { clamp, latentName, numberText } from "../engine/numbers.js";
import { OWN_KEYS, div, html, setAttributes, svg } from "./controls.js";
import { paint, resizeCanvas } from "./picture.js";
import { pointTip } from "./point_tip.js";
import { HIT, NEAR, REACH, pointCloud } from "./points.js";
import { words } from "./words.js";

/** @typedef {import("../engine/network.js").Network} Network */
/** @typedef {import("../engine/network.js").Posterior} Posterior */

const STILL = 4; // pixels that a click may move
const CELLS = 16; // decoded images along each side
const FRAME_SHARE = 6; // milliseconds of each frame that decoding may use

/**
 * @param {(right: number, up: number) => void} onMove called when the user moves z
 * @param {(i: number) => void} onPick called when the user clicks on a test image
 * @param {(i: number) => import("./point_tip.js").Picture} pictureOf a test image
 */
export function latentPlane(onMove, onPick, pictureOf) {
  const manifold = html("canvas", { "aria-hidden": "true" });
  const points = pointCloud();
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
  const handle = div("handle"); // of z, for a finger
  const tip = pointTip();
  const root = div("plane", manifold, points.root, front, handle, tip.root);
  let position = [0, 0];
  let start = { clientX: 0, clientY: 0 }; // where the pointer was pressed
  let isDragging = false;
  let manifoldCall = 0; // a later call ends the work of an earlier one

  /** Move z, in steps of 1/100. @param {number} x @param {number} y */
  function moveTo(x, y) {
    const [right, up] = [x, y].map(
      (value) => Math.round(100 * clamp(value, -REACH, REACH)) / 100,
    );
    onMove(right, up);
  }

  /** Return where a pointer is. @param {MouseEvent} event */
  function placeOf({ clientX, clientY }) {
    const box = front.getBoundingClientRect();
    const u = (clientX - box.left) / box.width;
    const v = (clientY - box.top) / box.height;
    return /** @type {const} */ ([(2 * u - 1) * REACH, (1 - 2 * v) * REACH]);
  }

  /** Show the test image that is near a place. @param {number} x @param {number} y */
  function showNear(x, y) {
    const found = points.nearest(x, y, NEAR);
    if (found) tip.show(found.x, found.y, pictureOf(found.i));
    else tip.hide();
  }

  root.onpointerdown = (event) => {
    root.setPointerCapture(event.pointerId);
    tip.hide();
    start = event;
    isDragging = event.pointerType !== "touch" || event.target === handle;
    if (isDragging) moveTo(...placeOf(event));
  };
  root.onpointermove = (event) => {
    if (!(event.buttons & 1)) return showNear(...placeOf(event));
    // A finger that goes up or down scrolls the page, unless it began on the handle.
    const [dx, dy] = [event.clientX - start.clientX, event.clientY - start.clientY];
    isDragging ||= Math.abs(dx) > Math.abs(dy);
    if (isDragging) moveTo(...placeOf(event));
  };
  root.onclick = (event) => {
    const place = placeOf(event);
    const [dx, dy] = [event.clientX - start.clientX, event.clientY - start.clientY];
    const isMouse = /** @type {PointerEvent} */ (event).pointerType === "mouse";
    const found = points.nearest(...place, isMouse ? HIT : NEAR);
    if (found && Math.hypot(dx, dy) < STILL) onPick(found.i);
    else moveTo(...place); // a finger that did not move
  };
  root.onpointerleave = front.onblur = tip.hide;
  front.onkeydown = (event) => {
    const [right, up] = position;
    const found = points.nearest(right, up, NEAR);
    if (event.key === "Enter" && found) return onPick(found.i);
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
    const [x, y] = position.map((value, i) => value + step * direction[i]);
    moveTo(x, y);
    showNear(x, y);
  };

  return {
    root,
    /** Name the axes. @param {number} right @param {number} up */
    showAxes(right, up) {
      const [a, b] = [latentName(right), latentName(up)];
      names[0].textContent = a;
      names[1].textContent = b;
      const label = words`Plane of ${a} and ${b}: drag z, or use arrow keys and Enter`;
      front.setAttribute("aria-label", label);
    },
    /** Show z. @param {number} x @param {number} y */
    showPoint(x, y) {
      position = [x, y];
      point.setAttribute("transform", `translate(${x} ${-y})`);
      const [left, top] = [x, -y].map((value) => `${50 + (50 * value) / REACH}%`);
      Object.assign(handle.style, { left, top });
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
    drawPoints: points.draw,
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
      root.classList.toggle("pictured", Boolean(network)); // its points are dimmed
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
