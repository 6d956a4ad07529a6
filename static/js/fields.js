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

document.addEventListener('change', showFields);
addEventListener('pageshow', showFields); // the browser may have filled the form again
showFields();
