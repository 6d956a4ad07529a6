// The editor of recipe lists, without a round trip for each button. Without
// this module the same buttons send the form and get it back changed.
const form = document.querySelector('form[data-recipes]');

function rowOf(section, name) {
  const row = section.querySelector('.edit-list li')?.cloneNode(true) ?? null;
  if (row) row.querySelector('input').value = name;
  return row;
}

function focusNear(section, index) {
  const rows = section.querySelectorAll('.edit-list li');
  (rows[Math.min(index, rows.length - 1)]?.querySelector('input') ?? section.querySelector('.add input')).focus();
}

const deeds = {
  up: (section, row) => row.previousElementSibling?.before(row),
  down: (section, row) => row.nextElementSibling?.after(row),
  remove: (section, row) => {
    const index = [...row.parentElement.children].indexOf(row);
    if (row.parentElement.children.length === 1) return false; // the server keeps a pattern row for none
    row.remove();
    focusNear(section, index);
  },
};

form?.addEventListener('click', e => {
  const button = e.target.closest('button[name="do"]');
  if (!button) return;
  const deed = button.value.split(' ')[0];
  const section = button.closest('section[data-event]');
  if (deeds[deed]) {
    if (deeds[deed](section, button.closest('li')) === false) return;
    e.preventDefault();
    if (deed !== 'remove') button.focus();
  } else if (deed === 'add') {
    const field = section.querySelector('.add input');
    const row = field.value.trim() && rowOf(section, field.value.trim());
    if (!row) return; // the first of a list is made by the server
    e.preventDefault();
    section.querySelector('.edit-list').append(row);
    field.value = '';
    field.focus();
  }
});
