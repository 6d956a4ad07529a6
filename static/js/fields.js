// What the forms with many fields need.
//
// Shows the fields that go with the choices made: an element with
// data-when="Field value value" is there while the form's Field has one of the
// values; without values, while it is empty. What is hidden is still sent.
// Without this module everything is shown, and says what it is for.
const valueOf = (form, name) => {
  const field = form.elements[name];
  if (!field) return '';
  return field.type === 'checkbox' ? (field.checked ? field.value : '') : field.value;
};

function showFields() {
  for (const part of document.querySelectorAll('[data-when]')) {
    const [name, ...values] = part.dataset.when.split(' ');
    const value = valueOf(part.closest('form'), name);
    const wrong = part.querySelector('[aria-invalid]'); // an error must be seen
    part.hidden = !wrong && !(values.length ? values.includes(value) : value === '');
  }
}

// "More" adds an empty row in place, named by the next number. Without this
// module the button sends the form, which comes back with more rows.
function addRow(e) {
  const button = e.target.closest('button[name=do][value=more]');
  if (!button) return;
  e.preventDefault();
  const rows = button.previousElementSibling;
  const next = rows.childElementCount;
  const row = rows.lastElementChild.cloneNode(true);
  for (const field of row.querySelectorAll('input, select')) {
    if (field.type === 'checkbox') field.checked = false;
    field.value = field.type === 'checkbox' ? next : '';
    const name = field.getAttribute('aria-label');
    if (name) field.setAttribute('aria-label', name.replace(/\d+$/, next + 1));
  }
  const legend = row.querySelector('legend');
  if (legend) legend.textContent = legend.textContent.replace(/\d+$/, next + 1);
  rows.append(row);
  row.querySelector('input').focus();
}

document.addEventListener('click', addRow);
document.addEventListener('change', showFields);
addEventListener('pageshow', showFields); // the browser may have filled the form again
showFields();
