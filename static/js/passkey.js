// Passkeys: a form with data-passkey asks the server what to ask, the browser
// asks the person, and the form sends the answer. The server decides.
const able = globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON;

async function ask(form) {
  const asked = await fetch(form.dataset.passkey, { method: 'POST', headers: { Accept: 'application/json' } });
  const { challenge, options, message, confirm } = await asked.json();
  if (confirm) { location.assign(`${confirm}?next=${encodeURIComponent(location.pathname)}`); return false; }
  if (!asked.ok) throw new Error(message);
  const key = 'create' in form.dataset
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey) });
  form.querySelector('[data-challenge]').value = challenge;
  form.querySelector('[data-answer]').value = JSON.stringify(key.toJSON());
  return true;
}

async function onSubmit(e) {
  const form = e.target.closest('form[data-passkey]');
  if (!form || form.querySelector('[data-answer]').value) return;
  e.preventDefault();
  const problem = form.querySelector('[data-problem]');
  problem.hidden = true;
  try {
    if (await ask(form)) form.requestSubmit();
  } catch (error) {
    problem.textContent = error.name === 'NotAllowedError' ? 'No passkey was given. Try again, or sign in another way.' : error.message;
    problem.hidden = false;
  }
}

// Before the listener that counts how often a form was sent.
addEventListener('submit', onSubmit, { capture: true });
if (able) for (const form of document.querySelectorAll('form[data-passkey]')) form.hidden = false;
// A page brought back by the Back button asks again.
addEventListener('pageshow', () => { for (const field of document.querySelectorAll('form[data-passkey] [data-answer]')) field.value = ''; });
