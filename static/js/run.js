// Shows the fields that the chosen command needs. Without this module all of
// them are shown, each saying what it is for.
const form = document.querySelector('form[data-run]');
const appCommands = ['deploy', 'undeploy', 'rollback', 'start', 'stop', 'restart'];

function show() {
  const command = form.querySelector('input[name="Command"]:checked')?.value;
  for (const part of form.querySelectorAll('[data-for]')) {
    const on = part.dataset.for === command || part.dataset.for === 'app' && appCommands.includes(command);
    part.classList.toggle('is-on', on);
  }
}

// Choosing a target means that only those are meant.
function choose(e) {
  if (e.target.name === 'LayerIds' || e.target.name === 'InstanceIds') {
    form.querySelector('input[name="Targets"][value="some"]').checked = true;
  }
  show();
}

if (form) {
  form.dataset.liveForm = '';
  form.addEventListener('change', choose);
  show();
}
