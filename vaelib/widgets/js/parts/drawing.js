/** Image that can be drawn on with mouse, finger or keyboard. */

import { clamp } from "../engine/numbers.js";
import { OWN_KEYS } from "./controls.js";
import { paint, pictureCanvas } from "./picture.js";
import { words } from "./words.js";

const DRAWING_LABEL = words`Image x: draw, also with arrow keys; space lowers the pen`;

/**
 * Create a canvas to draw on.
 * @param {() => void} onInk called after the user has drawn
 */
export function drawingCanvas(onInk) {
  const canvas = pictureCanvas(DRAWING_LABEL, "draw");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute(OWN_KEYS, "true");
  /** @type {number[]} */
  let shape = [1, 28, 28];
  /** @type {Float32Array} */
  let pixels = new Float32Array(784);
  const pen = { x: 14, y: 14, isDown: false };

  function show() {
    paint(canvas, pixels, shape);
    if (document.activeElement !== canvas || !canvas.matches(":focus-visible")) return;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.strokeStyle = pen.isDown ? "#d55e00" : "#56b4e9";
    context.strokeRect(pen.x - 1.5, pen.y - 1.5, 3, 3);
  }

  /**
   * Add a round dot with a soft edge, as wide as a stroke of MNIST.
   * @param {number} x
   * @param {number} y
   */
  function addDot(x, y) {
    const [channels, height, width] = shape;
    const radius = 1.1 * Math.max(1, width / 28);
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const distance = Math.hypot(j + 0.5 - x, i + 0.5 - y);
        const ink = Math.round(255 * clamp(radius + 0.5 - distance, 0, 1)) / 255;
        for (let c = 0; c < channels && ink > 0; c++) {
          const k = (c * height + i) * width + j;
          pixels[k] = Math.max(pixels[k], ink);
        }
      }
  }

  /** Draw a line from the pen. @param {number} x @param {number} y */
  function lineTo(x, y) {
    const [dx, dy] = [x - pen.x, y - pen.y];
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(dx, dy)));
    for (let s = 1; s <= steps; s++)
      addDot(pen.x + (dx * s) / steps, pen.y + (dy * s) / steps);
    Object.assign(pen, { x, y });
  }

  /** Draw a line and report it. @param {number} x @param {number} y */
  function draw(x, y) {
    lineTo(x, y);
    show();
    onInk();
  }

  /** Return where a pointer is, in pixels of the image. @param {PointerEvent} event */
  function placeOf({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((clientX - box.left) / box.width) * shape[2],
      y: ((clientY - box.top) / box.height) * shape[1],
    };
  }

  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    Object.assign(pen, placeOf(event));
    draw(pen.x, pen.y);
  };
  canvas.onpointermove = (event) => {
    if (!(event.buttons & 1)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const { x, y } = placeOf(each);
      lineTo(x, y);
    }
    draw(pen.x, pen.y);
  };
  canvas.onfocus = canvas.onblur = show;
  canvas.onkeydown = (event) => {
    const move = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    }[event.key];
    if (event.key === " ") pen.isDown = !pen.isDown;
    else if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const [dx, dy] = move ?? [0, 0];
    const [x, y] = [clamp(pen.x + dx, 0, shape[2]), clamp(pen.y + dy, 0, shape[1])];
    if (pen.isDown) draw(x, y);
    else Object.assign(pen, { x, y });
    show();
  };

  return {
    canvas,
    get pixels() {
      return pixels;
    },
    /** @param {Float32Array} image @param {number[]} [size] */
    set(image, size = shape) {
      if (size !== shape) Object.assign(canvas, { width: size[2], height: size[1] });
      shape = size;
      pixels = image;
      show();
    },
  };
}
