// morph makes the old element equal to the fresh one while keeping the nodes
// that stay: focus, selection, open details, typed text and scrolling survive.

// What the reader changed is theirs; the server does not know of it.
const readers = { DETAILS: ['open'], DIALOG: ['open'], INPUT: ['value', 'checked'], OPTION: ['selected'] };

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = fresh.nodeValue; return; }
  if (old.hasAttribute('data-keep')) return; // a part that a script owns
  attributes(old, fresh);
  children(old, fresh);
}

function attributes(old, fresh) {
  const kept = readers[old.nodeName] || [];
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !kept.includes(name)) old.setAttribute(name, value);
}

// Children match by id where they have one, else by their place.
function children(old, fresh) {
  const ids = new Map([...old.children].filter(c => c.id).map(c => [c.id, c]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const twin = child.id ? ids.get(child.id) : plain(at, child);
    if (!twin) { old.insertBefore(child, at); continue; }
    if (twin === at) at = at.nextSibling;
    else old.insertBefore(twin, at);
    morph(twin, child);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

// plain takes the node in this place unless its id gives it to another.
const plain = (at, child) => at && !at.id && at.nodeName === child.nodeName ? at : null;
