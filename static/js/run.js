// Shows the fields that the chosen command needs, and names on the button how
// many instances it reaches. Without this module all fields are shown, each
// saying what it is for.
const form = document.querySelector('form[data-run]');
const appCommands = ['deploy', 'undeploy', 'rollback', 'start', 'stop', 'restart'];
const find = selector => form.querySelector(selector);

function showFields() {
  const command = find('input[name="Command"]:checked')?.value;
  for (const part of form.querySelectorAll('[data-for]')) {
    const on = part.dataset.for === command || part.dataset.for === 'app' && appCommands.includes(command);
    part.classList.toggle('is-on', on);
  }
}

function nameSize() {
  const all = find('input[name="Targets"][value="all"]');
  const chosen = all.checked ? [all] : [...form.querySelectorAll('[name="LayerIds"]:checked, [name="InstanceIds"]:checked')];
  const n = chosen.reduce((sum, e) => sum + Number(e.dataset.n), 0);
  const most = chosen.length > 1 && chosen.some(e => e.name === 'LayerIds') ? 'at most ' : ''; // one may be in two layers
  const verb = find('[name="DryRun"]').checked ? 'Try' : 'Run';
  find('[data-size]').textContent = n ? `${verb} on ${most}${n === 1 ? '1 instance' : `${n} instances`}` : `${verb} on the chosen instances`;
}

function change(e) {
  if (e.target.name === 'LayerIds' || e.target.name === 'InstanceIds') find('input[name="Targets"][value="some"]').checked = true;
  showFields();
  nameSize();
}

if (form) {
  form.dataset.liveForm = '';
  form.addEventListener('change', change);
  showFields();
  nameSize();
}
