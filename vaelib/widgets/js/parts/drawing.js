/** A picture that can be drawn on, with mouse, finger or keyboard. */

import { OWN_KEYS } from "./controls.js";
import { paint, picture } from "./picture.js";

/**
 * @param {() => void} changed called when ink was added
 * @returns a canvas, and the pixels (C, H, W) on it
 */
export function drawing(changed) {
  const canvas = picture(
    "Image x: draw on it, or move the pen with the arrow keys and press space to lower or lift it",
    "draw",
  );
  Object.assign(canvas, { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute(OWN_KEYS, "true");
  /** @type {number[]} */
  let shape = [1, 28, 28];
  /** @type {Float32Array} */
  let pixels = new Float32Array(784);
  let pen = { x: 14, y: 14, down: false };

  function show() {
    paint(canvas, pixels, shape);
    if (document.activeElement !== canvas || !canvas.matches(":focus-visible")) return;
    const brush = canvas.getContext("2d");
    if (!brush) return;
    brush.strokeStyle = pen.down ? "#d55e00" : "#56b4e9";
    brush.strokeRect(pen.x - 1.5, pen.y - 1.5, 3, 3);
  }

  /** A round tip with a soft edge, as wide as a stroke of MNIST. @param {number} x @param {number} y */
  function dab(x, y) {
    const [channels, height, width] = shape;
    const radius = 1.1 * Math.max(1, width / 28);
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const ink = Math.min(
          1,
          Math.max(0, radius + 0.5 - Math.hypot(j + 0.5 - x, i + 0.5 - y)),
        );
        for (let c = 0; c < channels && ink > 0; c++) {
          const at = (c * height + i) * width + j;
          pixels[at] = Math.max(pixels[at], ink);
        }
      }
  }

  /** Inks the way to a point. @param {number} x @param {number} y */
  function lineTo(x, y) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - pen.x, y - pen.y)));
    for (let s = 1; s <= steps; s++)
      dab(pen.x + ((x - pen.x) * s) / steps, pen.y + ((y - pen.y) * s) / steps);
    Object.assign(pen, { x, y });
  }

  /** @param {PointerEvent} event */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * shape[2],
      y: ((event.clientY - box.top) / box.height) * shape[1],
    };
  }

  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    Object.assign(pen, place(event));
    ink(pen.x, pen.y);
  };
  canvas.onpointermove = (event) => {
    if (!(event.buttons & 1)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const { x, y } = place(each);
      lineTo(x, y);
    }
    ink(pen.x, pen.y);
  };
  canvas.onfocus = canvas.onblur = show;
  canvas.onkeydown = (event) => {
    const move = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    }[event.key];
    if (event.key === " ") pen.down = !pen.down;
    else if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const x = Math.min(shape[2], Math.max(0, pen.x + (move?.[0] ?? 0)));
    const y = Math.min(shape[1], Math.max(0, pen.y + (move?.[1] ?? 0)));
    if (pen.down) ink(x, y);
    else Object.assign(pen, { x, y });
    show();
  };

  /** @param {number} x @param {number} y */
  function ink(x, y) {
    lineTo(x, y);
    show();
    changed();
  }

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
