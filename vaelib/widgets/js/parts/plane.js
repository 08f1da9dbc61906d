/** Two latents as a plane: test images as points, the posterior of the image, what the decoder draws everywhere, and z to drag. */

import { OWN_KEYS, latent, node, svg } from "./controls.js";
import { paint } from "./picture.js";

/** @typedef {import("../engine/network.js").Network} Network */

export const REACH = 4; // the plane shows -4 ... 4
const CELLS = 16; // of the manifold, along each side
const SIZE = 720; // of the canvas with the points

// Ten colours that stand out on light and on dark; the marks are the classes' own digits where they have one.
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

/** @param {(horizontal: number, vertical: number) => void} move called when the point is moved by hand */
export function plane(move) {
  const manifold = node("canvas", { "aria-hidden": "true" });
  const points = node("canvas", { "aria-hidden": "true", width: SIZE, height: SIZE });
  const spread = svg("ellipse", { class: "posterior" });
  const point = svg(
    "g",
    { class: "point" },
    svg("circle", { r: 0.2, class: "halo" }),
    svg("circle", { r: 0.2 }),
  );
  const names = [
    svg("text", { x: REACH - 0.1, y: -0.12, "text-anchor": "end" }),
    svg("text", { x: 0.12, y: -REACH + 0.42 }),
  ];
  const ticks = [-3, -2, -1, 1, 2, 3].flatMap((t) => [
    svg("line", { x1: t, x2: t, y1: -0.07, y2: 0.07 }),
    svg("line", { y1: t, y2: t, x1: -0.07, x2: 0.07 }),
    svg("text", { x: t, y: 0.42, "text-anchor": "middle" }, String(t)),
    svg("text", { x: -0.15, y: -t + 0.1, "text-anchor": "end" }, String(t)),
  ]);
  const axes = [
    svg("line", { x1: -REACH, x2: REACH }),
    svg("line", { y1: -REACH, y2: REACH }),
  ];
  const front = svg(
    "svg",
    {
      viewBox: `${-REACH} ${-REACH} ${2 * REACH} ${2 * REACH}`,
      tabindex: 0,
      role: "application",
      [OWN_KEYS]: "true",
    },
    svg("g", { class: "axes" }, ...axes, ...ticks, ...names),
    spread,
    point,
  );
  const root = node("div", { className: "plane" }, manifold, points, front);
  let at = [0, 0];
  let turn = 0; // of the manifold: a later one ends an earlier one

  /** @param {number} x @param {number} y */
  function moveTo(x, y) {
    const inside = [x, y].map(
      (v) => Math.round(100 * Math.min(REACH, Math.max(-REACH, v))) / 100,
    );
    move(inside[0], inside[1]);
  }

  /** @param {PointerEvent} event */
  function drag(event) {
    const box = front.getBoundingClientRect();
    const [u, v] = [
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
    ];
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
    const way = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
    }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 0.5 : 0.1;
    moveTo(at[0] + step * way[0], at[1] + step * way[1]);
  };

  return {
    root,
    /** @param {number} a latent to the right @param {number} b latent upwards */
    axes(a, b) {
      names[0].textContent = latent(a);
      names[1].textContent = latent(b);
      front.setAttribute(
        "aria-label",
        `Plane of ${latent(a)} and ${latent(b)}: drag the point, or move it with the arrow keys`,
      );
    },
    /** @param {number} x @param {number} y */
    point(x, y) {
      at = [x, y];
      point.setAttribute("transform", `translate(${x} ${-y})`);
    },
    /**
     * One standard deviation of q(z|x) round its mean, or nothing.
     * @param {{ mu: Float32Array, sigma: Float32Array } | null} q
     * @param {number} a
     * @param {number} b
     */
    posterior(q, a, b) {
      spread.setAttribute("visibility", q ? "visible" : "hidden");
      if (!q) return;
      const place = { cx: q.mu[a], cy: -q.mu[b], rx: q.sigma[a], ry: q.sigma[b] };
      for (const [name, value] of Object.entries(place))
        spread.setAttribute(name, String(value));
    },
    /**
     * Posterior means of test images, each drawn as its class.
     * @param {Float32Array} mu (N, J)
     * @param {number} latents
     * @param {Uint8Array} labels empty where there are none
     * @param {string[]} classes
     * @param {number} a
     * @param {number} b
     */
    points(mu, latents, labels, classes, a, b) {
      const brush = points.getContext("2d");
      if (!brush) return;
      brush.clearRect(0, 0, SIZE, SIZE);
      brush.font = `bold ${SIZE / 48}px sans-serif`;
      const marks = classes.every((name) => [...name].length === 1);
      const scale = SIZE / (2 * REACH);
      for (let i = 0; i * latents < mu.length; i++) {
        const [x, y] = [
          (mu[i * latents + a] + REACH) * scale,
          (REACH - mu[i * latents + b]) * scale,
        ];
        brush.fillStyle = COLOURS[(labels[i] ?? 0) % COLOURS.length];
        if (labels.length && marks) brush.fillText(classes[labels[i]], x - 4, y + 5);
        else brush.fillRect(x - 3, y - 3, 6, 6);
      }
    },
    /**
     * What the decoder draws at the middle of each cell, the other latents as in `z`; a few milliseconds of each frame.
     * @param {Network | null} network none: nothing is drawn
     * @param {Float32Array} z
     * @param {number} a
     * @param {number} b
     */
    manifold(network, z, a, b) {
      const mine = ++turn;
      manifold.hidden = !network;
      if (!network) return;
      const [, height, width] = network.shape;
      if (manifold.width !== CELLS * width)
        Object.assign(manifold, { width: CELLS * width, height: CELLS * height });
      const here = z.slice();
      let cell = 0;
      const some = () => {
        for (
          const began = performance.now();
          cell < CELLS ** 2 && performance.now() - began < 6;
          cell++
        ) {
          const [column, row] = [cell % CELLS, Math.floor(cell / CELLS)];
          here[a] = ((2 * (column + 0.5)) / CELLS - 1) * REACH;
          here[b] = (1 - (2 * (row + 0.5)) / CELLS) * REACH;
          paint(
            manifold,
            network.decode(here),
            network.shape,
            column * width,
            row * height,
          );
        }
        if (cell < CELLS ** 2 && mine === turn) requestAnimationFrame(some);
      };
      some();
    },
  };
}

/** The names of classes in the colours of their points. @param {string[]} classes */
export function legend(classes) {
  const entries = classes.map((name, i) => {
    const mark = node("span", { className: "mark" });
    mark.style.background = COLOURS[i % COLOURS.length];
    return node("span", {}, mark, name);
  });
  return node("div", { className: "legend" }, ...entries);
}
