// A terminal in the console's colours, for shells and their recordings.
import { Terminal } from '../vendor/xterm/xterm.js';

// The page's content policy forbids inline styles, in which xterm writes. What
// it writes into a <style> becomes a sheet of the document instead, and what it
// writes into a style attribute goes through the object model: both are ours.
const create = document.createElement.bind(document);
document.createElement = (name, options) => {
  if (name === 'style') return asSheet(create('template')); // even an empty <style> is forbidden
  const made = create(name, options);
  if (name === 'span') made.setAttribute = setAttribute;
  return made;
};

function asSheet(style) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(style, 'textContent', { set: text => sheet.replaceSync(text), get: () => '' });
  const remove = style.remove.bind(style);
  style.remove = () => {
    remove();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter(s => s !== sheet);
  };
  return style;
}

function setAttribute(name, value) {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

const token = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function theme() {
  const colour = name => token(`--ansi-${name}`);
  const colours = {};
  for (const name of ['red', 'green', 'yellow', 'blue', 'magenta', 'cyan']) {
    colours[name] = colour(name);
    colours[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colour(name);
  }
  return {
    ...colours,
    black: token('--log-line'), brightBlack: token('--log-dim'), white: token('--log-text'), brightWhite: colour('white'),
    background: token('--log-bg'), foreground: token('--log-text'), cursor: token('--log-text'), cursorAccent: token('--log-bg'),
    selectionBackground: '#3b5a9a', scrollbarSliderBackground: '#4a5666',
  };
}

// openTerminal shows a terminal in an element.
export function openTerminal(into, label, options = {}) {
  const terminal = new Terminal({
    fontFamily: token('--mono'), fontSize: 13, lineHeight: 1.2, scrollback: 5000, theme: theme(), minimumContrastRatio: 4.5, ...options,
  });
  terminal.open(into);
  terminal.textarea.setAttribute('aria-label', label);
  terminal.textarea.setAttribute('aria-describedby', 'term-help');
  return terminal;
}
