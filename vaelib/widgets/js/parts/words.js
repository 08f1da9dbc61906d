/** Labels in the language of the page: English, or Japanese on a Japanese page. */

import { classOf } from "../engine/numbers.js";

// English, where each {} stands for a value, and Japanese
/** @type {Record<string, string>} */
const JAPANESE = {
  "Start from": "出発点",
  "Test image": "テスト画像",
  "Blank to draw on": "白紙に描く",
  "An empty image: draw a digit": "何もない画像です。数字を描いてください",
  "No image: the mean of the prior": "画像なし。事前分布の平均です",
  "Random sample": "無作為に引く",
  "No image: a draw of the prior": "画像なし。事前分布から引きます",
  "Image x": "画像 x",
  "Decoded x̂": "復号 x̂",
  "Image decoded from z": "z から復号した画像",
  encoder: "エンコーダ",
  decoder: "デコーダ",
  Latent: "潜在変数",
  "KL, nats": "KL (nat)",
  "Latents: the arrow keys up and down go from row to row":
    "潜在変数。上下の矢印キーで行を移ります",
  "{} more latent": "ほか {} 個の潜在変数",
  "{} more latents": "ほか {} 個の潜在変数",
  "{} inactive: the same for every image": "不活性 {} 個。どの画像でも同じです",
  "{} more of {} latents": "さらに {} 個 (残り {} 個)",
  "Show the traversal of {}": "{} の走査を表示",
  "no image": "画像なし",
  "mean {}, sigma {}": "平均 {}、標準偏差 {}",
  "Move z to the mean of q(z|x)": "z を q(z|x) の平均に移す",
  "Sample z from q(z|x)": "q(z|x) から z を引く",
  "Draw new noise ε: z = μ + σ ε": "雑音 ε を引き直す: z = μ + σ ε",
  "none: z is the mean of the prior": "なし。z は事前分布の平均",
  "none: z is the mean of test image {}": "なし。z はテスト画像 {} の平均",
  "none: z was drawn from the prior": "なし。z は事前分布からの標本",
  "Save picture": "画像を保存",
  "Save the images and curves as a PNG file": "画像と曲線を PNG ファイルに保存します",
  "draw here": "ここに描いてください",
  "your drawing": "あなたが描いた画像",
  "{}; draw on it": "{}。上に描けます",
  "test image {}": "テスト画像 {}",
  "test image {}: {}": "テスト画像 {}: {}",
  "{}, decoded": "{} (復号)",
  "Image x: draw, also with arrow keys; space lowers the pen":
    "画像 x。上に描けます。矢印キーでも描け、スペースでペンを下ろします",
  "More: plane and traversals": "さらに: 平面と走査",
  "Plane of two latents": "二つの潜在変数の平面",
  "Plane of {} and {}: drag z, or use arrow keys and Enter":
    "{} と {} の平面。点を引くか、矢印キーと Enter で動かします",
  "Ring: z.": "輪: z。",
  "Ring: z. Orange: q(z|x), one σ. Click a dot: its test image.":
    "輪: z。橙: q(z|x)、1 σ。点を押すと、そのテスト画像に移ります。",
  Present: "全画面",
  "Fill the screen with this alone; Escape leaves":
    "これだけを画面いっぱいに表示します。Escape で戻ります",
  Right: "横",
  Up: "縦",
  "Test images": "テスト画像",
  "Decoded pictures": "復号した画像",
  "Image at this point": "この点の画像",
  "Classes: choose one to see it alone": "クラス。一つだけを表示できます",
  "Show {} alone, or all again": "{} だけを表示、またはすべてに戻す",
  "and {} more": "ほか {} 個",
  "Traversal of {}, from {} below z to {} above":
    "{} の走査 (z の {} 下から {} 上まで)",
  "Go to {}": "{} へ移る",
  "From anchor A to anchor B": "点 A から点 B へ",
  "Place between A and B": "A と B の間の位置",
  "{} % from A to B": "A から B へ {} %",
  "Let {} be the point where z is now": "{} を今の z に置く",
  "Set A to this z": "A をこの z に置く",
  "Set B to this z": "B をこの z に置く",
  "At first, A and B are the means of test images 0 and 1.":
    "はじめは、A と B はテスト画像 0 と 1 の事後平均です。",
  "At first, A and B are two draws from the prior.":
    "はじめは、A と B は事前分布からの標本です。",
  "Predict first.": "まず予想しましょう。",
  Compare: "比べる",
  Skip: "とばす",
  "Try again": "もう一度",
  "Choose an answer first, or skip the question.":
    "先に答えを選ぶか、問いをとばしてください。",
  "Type a number first, or skip the question.":
    "先に数を入力するか、問いをとばしてください。",
  "Draw your curve first, or skip the question.":
    "先に曲線を描くか、問いをとばしてください。",
  "Draw with the mouse or a finger, or move points by the arrow keys.":
    "マウスや指で描くか、矢印キーで点を動かします。",
  "Your curve: each point is a slider": "あなたの曲線。各点はスライダーです",
  "Computed, at {} = {}.": "計算結果、{} = {}。",
  "This is the computed curve.": "これが計算した曲線です。",
  "Computed: {}.": "計算結果: {}。",
  "Right.": "正解です。",
  "Right: {}.": "正解です: {}。",
  "Your answer: {}. Computed: {}.": "あなたの答え: {}。計算結果: {}。",
  "That counts as right: it is within {} %.": "{} % 以内なので正解とします。",
  "Within {} % counts as right.": "{} % 以内なら正解とします。",
  "Your dashed curve is on average {} away, {} % of the range.":
    "破線があなたの曲線で、平均 {} の差があり、値域の {} % です。",
};

/**
 * Template tag: return a label in the language of the page.
 * @param {TemplateStringsArray} parts
 * @param {(string | number)[]} values
 */
export function words(parts, ...values) {
  const english = parts.join("{}");
  const isJapanese = document.documentElement.lang.startsWith("ja");
  const text = (isJapanese && JAPANESE[english]) || english;
  return text.replaceAll("{}", () => String(values.shift()));
}

/**
 * Return how a test image is called, with its class if it has one.
 * @param {{ labels?: number[], classes?: string[] }} test
 * @param {number} i
 */
export function testImageName(test, i) {
  const name = classOf(test, i);
  return name ? words`test image ${i}: ${name}` : words`test image ${i}`;
}
