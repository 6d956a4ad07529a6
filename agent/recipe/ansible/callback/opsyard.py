"""Prints a playbook's run and reports each task as a step of the agent's log."""

import json
import os
import socket

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: opsyard
type: stdout
short_description: steps of the agent's log
description: Prints a playbook's run and reports each task as a step of the agent's log.
options: {}
"""

# Tasks that only decide what else runs, or look around.
SILENT = ("include", "include_tasks", "include_role", "include_vars", "import_role", "import_tasks", "meta")
UNCOUNTED = ("setup", "gather_facts")


class Step:
    """One connection to the agent, which answers when everything printed so
    far lies before the step's begin or end."""

    def __init__(self, name):
        path = os.environ["OPSYARD_REPORT"]
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        try:  # the kernel takes 107 bytes for a socket's name
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect("/proc/self/fd/%d/%s" % (directory, os.path.basename(path)))
        finally:
            os.close(directory)
        self.answers = self.socket.makefile()
        self.ask({"kind": "resource", "name": name})

    def ask(self, message):
        self.socket.sendall((json.dumps(message) + "\n").encode())
        self.answers.readline()

    def end(self, result):
        self.ask({"end": result})
        self.answers.close()
        self.socket.close()


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "opsyard"

    def __init__(self):
        super().__init__()
        self.step = None

    def say(self, text):
        if text:
            self._display.display(text.rstrip("\n"))

    # A task begins, and ends with the result of the one host there is.

    def v2_playbook_on_play_start(self, play):
        self.say("PLAY " + (play.get_name() or ""))

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.finish({"skipped": True})  # no host took it
        if task.action.split(".")[-1] in SILENT:
            return
        name = task.get_name().strip()
        target = "" if task.no_log else self.target(task.args)
        if target and target not in name:
            name += " " + target
        if "OPSYARD_REPORT" in os.environ:
            self.step = Step(name)
        self.say("TASK " + name)

    v2_playbook_on_handler_task_start = lambda self, task: self.v2_playbook_on_task_start(task, False)

    def target(self, args):
        """What a task without a telling name works on, unless that is a template still."""
        for key in ("path", "dest", "name"):
            value = args.get(key)
            if isinstance(value, str) and "{{" not in value:
                return value
        return ""

    def finish(self, result):
        step, self.step = self.step, None
        if step:
            step.end(result)

    def v2_runner_on_ok(self, result):
        r = result._result
        changed = bool(r.get("changed"))
        self.show("changed" if changed else "ok", result)
        if result._task.action.split(".")[-1] in UNCOUNTED:
            self.finish({})
        else:
            self.finish({"changed": 1} if changed else {"unchanged": 1})

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.show("failed, ignored" if ignore_errors else "failed", result)
        if ignore_errors:
            self.finish({"unchanged": 1})
        else:
            self.finish({"error": "%s: %s" % (result._task.get_name().strip(), self.reason(result._result))})

    def v2_runner_on_unreachable(self, result):
        self.v2_runner_on_failed(result)

    def v2_runner_on_skipped(self, result):
        self.say("skipped: " + str(result._result.get("skip_reason", "")))
        self.finish({"skipped": True})

    def v2_runner_item_on_ok(self, result):
        self.show("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_item_on_failed(self, result):
        self.show("failed", result)

    def v2_runner_retry(self, result):
        self.say("failed, trying again: " + self.reason(result._result))

    def v2_on_file_diff(self, result):
        r = result._result
        for part in r.get("results", [r]):
            if part.get("diff") and not part.get("_ansible_no_log") and "censored" not in part:
                self.say(self._get_diff(part["diff"]))

    def v2_playbook_on_stats(self, stats):
        self.finish({"skipped": True})

    # What is shown of a result: what it prints, and why it failed.

    def show(self, outcome, result):
        r = result._result
        self._handle_warnings(r)
        if "results" in r:  # its items have been shown
            return
        if "censored" in r:
            self.say(outcome + ": hidden by no_log")
            return
        for key in ("stdout", "stderr", "module_stdout", "module_stderr"):
            self.say(str(r.get(key) or ""))
        msg = r.get("msg", "")
        if msg and (outcome.startswith("failed") or result._task.action.split(".")[-1] == "debug"):
            self.say(msg if isinstance(msg, str) else json.dumps(msg))
        self.say(outcome)

    def reason(self, r):
        if "censored" in r:
            return "hidden by no_log"
        if r.get("rc"):
            return "ended with exit code %s" % r["rc"]
        lines = str(r.get("msg") or "failed").strip().splitlines()
        return lines[-1] if lines else "failed"
