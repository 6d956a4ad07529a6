package handlers

import (
	"encoding/json"
	"fmt"
	"testing"

	"opsyard/models"
	"opsyard/static"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// importing makes a script that runs with a module's exports in m.
func importing(name, body string) string {
	return fmt.Sprintf(`(async () => { try { const m = await import(%q); window.said = await (async () => { %s })(); } catch (e) { window.said = 'threw ' + e.stack; } window.spoke = true; })()`, static.Path(name), body)
}

// quoted is a text as JavaScript spells it.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a string cannot fail
	return string(b)
}

func (b *tab) run(name, body string) any {
	b.t.Helper()
	b.eval(`window.spoke = false`)
	b.eval(importing(name, body))
	b.wait(`window.spoke`)
	return b.eval(`window.said`)
}

// The parts of the viewer that need no page, tried in a browser.
func TestBrowserLogParts(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	b := openTab(t)
	b.signIn(c.url)

	for _, try := range []struct{ text, sgr, want string }{
		{"plain", "", "plain"},
		{"0%\r50%\r100%", "", "100%"},
		{"downloading 100%\rdone\x1b[K", "", "done"},
		{"abc\x1b[2Kxy", "", "   xy"},
		{"abc\x08\x08X", "", "aXc"},
		{"abc\x1b[1GX\x1b[3GY", "", "XbY"},
		{"with\r", "", "with"},
		{"a\x1b[31mred\x1b[0mb", "", "a[.fg1]red[]b"},
		{"on", "1;4;32", "[.a-bold.a-under.fg2]on[]"},
		{"\x1b[38;5;9mx\x1b[48;2;1;2;3my", "", "[.fg9]x[][.fg9 background-color: rgb(1, 2, 3);]y[]"},
		{"\x1b[7mturned", "", "[.fg0.k7]turned[]"},
		{"\x1b]8;;http://evil\x07link\x1b]8;;\x07", "", "link"},
		{"\x1b[2J\x1b[5A\x1b[?1049hcursor", "", "cursor"},
		{"a\x00b\x7f", "", "a␀b␡"},
		{"\u202eevil", "", "⟨U+202E⟩evil"},
		{"<img src=x onerror=alert(1)>", "", "<img src=x onerror=alert(1)>"},
		{"see https://example.org/a?b=1.", "", "see [https://example.org/a?b=1]https://example.org/a?b=1[]."},
		{"javascript:alert(1) http://", "", "javascript:alert(1) http://"},
		{"\x1b[38;2;20;20;120mdim", "", "[ color: rgb(131, 131, 184);]dim[]"},
		{"é👍\rX", "", "X👍"},
	} {
		got := b.run("js/log-text.js", fmt.Sprintf(`
			const box = document.createElement('div');
			box.append(m.draw(m.parse(%s, %s), null));
			return [...box.childNodes].map(n => n.nodeType === 3 ? n.data
				: '[' + (n.href || [...n.classList].map(c => '.' + c).join('') + (n.getAttribute('style') ? ' ' + n.getAttribute('style') : '')) + ']' + n.textContent + '[]').join('')`, quoted(try.text), quoted(try.sgr)))
		if got != try.want {
			t.Errorf("%q: got %q, want %q", try.text, got, try.want)
		}
	}
	got := b.run("js/log-text.js", `
		const box = document.createElement('div');
		box.append(m.draw(m.parse('say \x1b[31mhel\x1b[0mlo Hello', ''), /hello/gi));
		return box.innerHTML`)
	if want := `say <mark class="fg1">hel</mark><mark>lo</mark> <mark>Hello</mark>`; got != want {
		t.Errorf("highlight: got %v, want %v", got, want)
	}
	got = b.run("js/log-text.js", `return m.raw('a\x1b[31mb\r')[0].text`)
	if got != "a␛[31mb␍" {
		t.Errorf("raw: got %v", got)
	}

	// Rows agree with themselves for any tree of steps and any folding.
	got = b.run("js/log-rows.js", `
		let seed = 1;
		const random = n => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
		for (let round = 0; round < 300; round++) {
			const rows = new m.Rows(), steps = [], total = random(400) + 1, open = [];
			let at = 0;
			for (let i = 0; i < random(30); i++) {
				at = Math.min(at + random(15), total);
				while (open.length && random(2)) Object.assign(open.pop(), { z: at, r: ['successful', 'failed', 'skipped'][random(3)], e: 1 });
				const s = { i, p: open.at(-1)?.i ?? -1, n: 's' + i, a: at, z: -1, s: 0 };
				steps.push(s);
				open.push(s);
			}
			rows.update(total, steps);
			for (let k = 0; k < 5; k++) {
				if (steps.length) rows.toggle(random(steps.length));
				let px = 0, lines = 0, before = null;
				for (let r = rows.first(); r; before = r, r = rows.next(r)) {
					if (rows.top(r) !== px) return 'top of ' + r.key + ' is ' + rows.top(r) + ', not ' + px;
					const at = rows.at(px + rows.size(r) - 1);
					if (at.row.key !== r.key || at.offset !== rows.size(r) - 1) return 'at ' + px + ' is ' + at.row.key + ', not ' + r.key;
					if (rows.of(r.key).key !== r.key) return 'of ' + r.key + ' is ' + rows.of(r.key).key;
					if ((rows.prev(r)?.key) !== before?.key) return 'before ' + r.key;
					if (r.n >= 0) lines++;
					px += rows.size(r);
				}
				if (px !== rows.height) return 'height';
				if (rows.last().key !== before.key) return 'last';
				const line = random(total);
				rows.reveal(line);
				if (rows.of(line).key !== line) return 'line ' + line + ' was not revealed';
			}
		}
		return 'fine'`)
	if got != "fine" {
		t.Error(got)
	}
}

// What a reader can do with a log that failed.
func TestBrowserFailedLog(t *testing.T) {
	t.Parallel()
	c := setupLogs(t)
	cmd := c.command("node-4")
	w := &host{c: c, cmd: cmd}
	w.step(0, -1, "phase", "sync cookbooks", "")
	for n := range 60 {
		w.print(fmt.Sprintf("Fetching cookbook %d\n", n))
	}
	w.step(0, -1, "phase", "sync cookbooks", "successful")
	w.step(1, -1, "recipe", "deploy::nodejs", "")
	for n := range 60 {
		w.print(fmt.Sprintf("  * file %d, \x1b[32mcreated\x1b[0m, %0200d\n", n, n))
	}
	w.step(2, 1, "resource", "execute npm ci", "")
	w.print("\x1b[31mnpm error code ENOSPC\nstill red\x1b[0m\n")
	w.step(2, 1, "resource", "execute npm ci", "failed")
	w.step(1, -1, "recipe", "deploy::nodejs", "failed")
	w.end(models.CommandFailed)

	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url + "/commands/" + string(cmd.ID)))
	// the failure is in sight, what went well is folded
	b.wait(shownLines + `.includes('npm error code ENOSPC')`)
	b.wait(`[...document.querySelectorAll('.ln code')].find(l => l.textContent === 'still red')?.querySelector('.fg1')`)
	b.eval(box + `.focus()`)
	b.eval(box + `.scrollTop = 0`)
	b.wait(`document.querySelector('.log-canvas .ls[data-step="0"]')?.getAttribute('aria-expanded') === 'false'`)
	b.do(chromedp.Click(`.log-canvas .ls[data-step="0"]`))
	b.wait(shownLines + `.includes('Fetching cookbook 3')`)
	b.do(chromedp.KeyEvent("]"))
	b.wait(shownLines + `.includes('npm error code ENOSPC')`)

	// long lines are broken on demand, and the end is still the end
	b.do(chromedp.Click(`[data-b="wrap"]`))
	b.eval(box + `.focus()`)
	b.do(chromedp.KeyEvent(kb.End))
	b.wait(`(() => { const l = [...document.querySelectorAll('.ln')].at(-1), v = ` + box + `.getBoundingClientRect(); return l?.id === 'L122' && l.getBoundingClientRect().bottom <= v.bottom })()`)
	for range 12 {
		b.wheel(-300)
	}
	b.wait(`document.querySelector('log-pane').view.topLine < 80`)
	b.eval(box + `.focus()`)
	b.do(chromedp.KeyEvent(kb.Home))
	b.wait(shownLines + `[0] === 'Fetching cookbook 0'`)
	b.do(chromedp.Click(`[data-b="wrap"]`), chromedp.Click(`[data-b="raw"]`))
	b.eval(`location.hash = '#L62'`)
	b.wait(shownLines + `.some(l => l.includes('␛[32mcreated'))`)
	b.do(chromedp.Click(`[data-b="raw"]`))

	// times, and a range of lines by shift and click
	b.eval(`(() => { const s = document.querySelector('.log-h select'); s.value = 'UTC'; s.dispatchEvent(new Event('change')) })()`)
	b.wait(`/^\d\d:\d\d:\d\d\.\d{3}$/.test(document.querySelector('.ln time')?.textContent)`)
	b.eval(`document.querySelector('#L64 > a').click(); document.querySelector('#L66 > a').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: true }))`)
	b.wait(`location.hash === '#L64-66' && document.querySelectorAll('.ln.sel').length === 3`)

	// a wrong expression is said so, beside the field
	b.do(chromedp.Click(`[data-b="regexp"]`), chromedp.SendKeys(".log-q input", "(ENOSPC"))
	b.wait(`document.querySelector('.hits').textContent.startsWith('This is no regular expression')`)
	b.eval(`document.querySelector('.log-q input').value = ''`)
	b.do(chromedp.SendKeys(".log-q input", "enospc|cookbook 5."))
	b.wait(`/^\d+ of 11$/.test(document.querySelector('.hits').textContent)`)
	b.wait(`document.querySelectorAll('.log-track i').length > 2`)
	b.screenshot("log-failed")
}
