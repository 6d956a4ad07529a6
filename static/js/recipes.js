// The editor of recipe lists, without a round trip for each button. Without
// this module the same buttons send the form and get it back changed.
const form = document.querySelector('form[data-recipes]');
const pattern = form?.querySelector('.edit-list li')?.cloneNode(true); // none: the server makes the first row

function makeRow(section, name) {
  const row = pattern.cloneNode(true);
  const field = row.querySelector('input');
  field.name = section.dataset.event;
  field.value = name;
  return row;
}

// number keeps labels and values true after a change, also for the server.
function number(section) {
  const event = section.dataset.event;
  section.querySelectorAll('.edit-list li').forEach((row, n) => {
    const field = row.querySelector('input');
    field.setAttribute('aria-label', `${event[0].toUpperCase()}${event.slice(1)}, custom recipe ${n + 1}`);
    for (const button of row.querySelectorAll('button')) {
      const deed = button.value.split(' ')[0];
      button.value = `${deed} ${event} ${n}`;
      button.setAttribute('aria-label', `${button.title}: ${field.value}`);
    }
  });
}

function focusNear(section, index) {
  const rows = section.querySelectorAll('.edit-list li');
  (rows[Math.min(index, rows.length - 1)]?.querySelector('input') ?? section.querySelector('.add input')).focus();
}

const deeds = {
  up(row, button) { row.previousElementSibling?.before(row); button.focus(); },
  down(row, button) { row.nextElementSibling?.after(row); button.focus(); },
  remove(row) {
    const section = row.closest('section');
    const index = [...row.parentElement.children].indexOf(row);
    row.remove();
    focusNear(section, index);
  },
};

function add(section) {
  const field = section.querySelector('.add input');
  for (const name of field.value.split(/[\s,]+/).filter(Boolean)) section.querySelector('.edit-list').append(makeRow(section, name));
  field.value = '';
  field.focus();
}

form?.addEventListener('click', e => {
  const button = e.target.closest('button[name="do"]');
  const section = button?.closest('section[data-event]');
  if (!section || !pattern) return;
  const deed = button.value.split(' ')[0];
  e.preventDefault();
  if (deed === 'add') add(section);
  else deeds[deed](button.closest('li'), button);
  number(section);
});

// Enter in the field below a list adds to it; elsewhere it saves. Browsers
// answer Enter with the form's first button, which nobody can see.
form?.addEventListener('submit', e => {
  const field = document.activeElement;
  if (!pattern || !e.submitter?.matches('.vh') || !field.closest('.add') || !field.value.trim()) return;
  e.preventDefault();
  const section = field.closest('section');
  add(section);
  number(section);
});
