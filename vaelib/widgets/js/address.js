/** The settings of a Playground in the address of its page: ?beta=4&latent_dim=2. */

import { checkCures } from "./engine/cures.js";
import { checkedSettings } from "./engine/limits.js";
import { debounce } from "./parts/events.js";

/** @typedef {import("./engine/job.js").Rules} Rules */

const LINK_DELAY = 200; // milliseconds: browsers refuse frequent changes

/**
 * Return the rules with the settings that an address names. Those that have no control,
 * and values that a control does not take, are ignored, and all, if they do not go
 * together.
 * @param {Rules} rules
 * @param {string} query
 * @returns {Rules}
 */
export function linkedRules(rules, query) {
  const given = [...new URLSearchParams(query)].filter((pair) => takes(rules, ...pair));
  try {
    return changedRules(rules, Object.fromEntries(given));
  } catch {
    return rules;
  }
}

/**
 * Return the rules with other settings. Throws ConfigError if one is not valid.
 * @param {Rules} rules
 * @param {Record<string, any>} given
 * @returns {Rules}
 */
export function changedRules(rules, { dataset = rules.dataset, ...given }) {
  const chosen = checkedSettings(given, rules.limits);
  const settings = { ...rules.settings, ...rules.datasets[dataset], ...chosen };
  checkCures(settings, rules.defaults);
  return { ...rules, dataset, settings };
}

/**
 * Return whether the control of a name takes a value; a menu takes those that it lists.
 * @param {Rules} rules
 * @param {string} name
 * @param {string} text
 */
function takes({ choices, limits }, name, text) {
  if (Object.hasOwn(choices, name) && !choices[name].map(String).includes(text))
    return false;
  if (name === "dataset") return true;
  try {
    return Boolean(checkedSettings({ [name]: text }, limits));
  } catch {
    return false;
  }
}

/**
 * Return an address that names the settings which are not the first ones of the page;
 * other parameters stay.
 * @param {string} address
 * @param {Record<string, any>} settings the value of each control
 * @param {Record<string, any>} first those of a page without parameters
 */
export function linkTo(address, settings, first) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(first))
    if (isEqual(settings[name], value)) url.searchParams.delete(name);
    else url.searchParams.set(name, String(settings[name]));
  return url.href;
}

/**
 * Return a function that replaces the address soon.
 * @param {() => string} newAddress
 */
export function replacingAddress(newAddress) {
  return debounce(LINK_DELAY, () => {
    try {
      history.replaceState(history.state, "", newAddress());
    } catch {
      // Some browsers do not allow this for a page on a disk. Everything else works.
    }
  });
}

/**
 * Return a function that receives the settings, and lets the address follow when they
 * change.
 * @param {Record<string, any>} first settings of a page without parameters
 * @param {Record<string, any>} linked settings that the address names now
 */
export function addressFollower(first, linked) {
  let shown = linked;
  const replaceLater = replacingAddress(() => linkTo(location.href, shown, first));
  return (/** @type {Record<string, any>} */ settings) => {
    const names = Object.keys(first);
    if (!names.every((name) => isEqual(settings[name], shown[name]))) replaceLater();
    shown = settings;
  };
}

/** Return whether two settings are the same. @param {any} a @param {any} b */
function isEqual(a, b) {
  return String(a) === String(b);
}
