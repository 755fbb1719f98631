// The bar of a token's life, and the words for it.

import { put } from "./format.js";

export class Bar {
  #bar;
  #words;
  #lifetime;

  // bar is the element with the meter, words the one with "34 s left";
  // lifetime, in seconds, is for a bar without a token.
  constructor(bar, words, lifetime) {
    this.#bar = bar;
    this.#words = words;
    this.#lifetime = lifetime;
  }

  // life is as TokenWatch has it; undefined without a token.
  draw(now, life) {
    const whole = life ? (life.dies - life.born) / 1000 : this.#lifetime;
    const left = life ? Math.max(0, (life.dies - now) / 1000) : 0;
    const state = stateOf(life, left, whole);
    const bar = this.#bar;
    bar.dataset.state = state;
    bar.setAttribute("aria-valuemax", String(Math.round(whole)));
    bar.setAttribute("aria-valuenow", String(Math.round(left)));
    const share = (left / whole - 1) * 101;
    bar.querySelector(".bar-left").style.transform = `translateX(${share.toFixed(2)}%)`;
    this.#drawDue(life, whole, state);
    this.#words.dataset.state = state;
    put(this.#words, {
      none: "No token",
      alive: `${Math.ceil(left)} s left`,
      due: `${Math.ceil(left)} s left`,
      over: "Expired",
      refused: "Dead",
    }[state]);
  }

  #drawDue(life, whole, state) {
    const notch = this.#bar.querySelector(".bar-due");
    if (!notch) return;
    notch.hidden = life?.due === undefined || state === "refused";
    if (notch.hidden) return;
    const share = Math.max(0, (life.dies - life.due) / 10 / whole);
    notch.style.left = `${share.toFixed(2)}%`;
  }
}

function stateOf(life, left, whole) {
  if (!life) return "none";
  if (life.killed) return "refused";
  if (left === 0) return "over";
  return left <= whole / 5 ? "due" : "alive";
}
