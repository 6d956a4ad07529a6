package protocol

import "regexp"

// Sizes of shells. Nobody may send more than the other side has room for, so
// that a shell which floods neither fills a queue nor delays anything else on
// the line.
const (
	// ShellWindow is how many bytes of output an agent may send beyond those
	// that ShellCredit has given back.
	ShellWindow = 256 << 10
	// ShellFrame is the most that one ShellInput or ShellOutput carries.
	ShellFrame = 16 << 10
	// ShellPending is how many ShellInput and ShellResize of a shell may be
	// unanswered.
	ShellPending = 3
	// ShellsAtOnce is how many shells one agent runs at a time.
	ShellsAtOnce = 12
	// maxTerminal is the most columns or rows of a terminal.
	maxTerminal = 1000
)

// ShellOpen asks an agent that says Hello.Shells to open a terminal and to run
// an account's login shell in it. ShellEnded answers what cannot be.
type ShellOpen struct {
	ID string `json:"id"`
	// User and UID are the account. One of the name with another uid is somebody
	// else's, and gets no shell.
	User string `json:"user"`
	UID  int    `json:"uid"`
	// Sudo says that the account may become root.
	Sudo bool `json:"sudo,omitempty"`
	// Own asks for a shell of the agent's own user, where machines are processes
	// of the server's host and have no accounts. Only with Sudo.
	Own     bool   `json:"own,omitempty"`
	Columns int    `json:"columns"`
	Rows    int    `json:"rows"`
	Term    string `json:"term"` // TERM
}

var (
	shellID   = regexp.MustCompile(`\A[0-9a-f-]{8,64}\z`)
	shellUser = regexp.MustCompile(`\A[a-z_][a-z0-9_.-]{0,31}\z`)
	shellTerm = regexp.MustCompile(`\A[a-z0-9][a-z0-9+.-]{0,31}\z`)
)

// Plausible tells whether an agent may look at the request at all.
func (o ShellOpen) Plausible() bool {
	return shellID.MatchString(o.ID) && (o.Own || shellUser.MatchString(o.User) && o.UID > 0) &&
		shellTerm.MatchString(o.Term) && plausibleSize(o.Columns, o.Rows)
}

func plausibleSize(columns, rows int) bool {
	return columns > 0 && rows > 0 && columns <= maxTerminal && rows <= maxTerminal
}

// ShellInput is what the person types. The agent answers with ShellTaken when
// the terminal has it.
type ShellInput struct {
	ID   string `json:"id"`
	Data []byte `json:"-"`
}

// ShellResize is a new size of the terminal, answered with ShellTaken.
type ShellResize struct {
	ID      string `json:"id"`
	Columns int    `json:"columns"`
	Rows    int    `json:"rows"`
}

// Plausible tells whether a terminal can have the size.
func (r ShellResize) Plausible() bool { return plausibleSize(r.Columns, r.Rows) }

// ShellTaken answers one ShellInput or ShellResize: the next may come.
type ShellTaken struct {
	ID string `json:"id"`
}

// ShellOutput is what the terminal shows.
type ShellOutput struct {
	ID   string `json:"id"`
	Data []byte `json:"-"`
}

// ShellCredit says that so many bytes of output were seen: as many more may be
// sent.
type ShellCredit struct {
	ID    string `json:"id"`
	Bytes int    `json:"bytes"`
}

// ShellClose asks an agent to end a shell and all that runs in it.
type ShellClose struct {
	ID string `json:"id"`
}

// ShellEnded says that a shell and all that ran in it is gone, and comes after
// the last of its output.
type ShellEnded struct {
	ID string `json:"id"`
	// ExitCode is the shell's own; -1 when it was killed or never began.
	ExitCode int `json:"exit_code"`
	// Message is a sentence for the person when the shell did not end by itself.
	Message string `json:"message,omitempty"`
}

// Plausible is the end as far as an agent can be believed.
func (e ShellEnded) Plausible() ShellEnded {
	e.Message = plainTo(e.Message, maxDetail)
	return e
}
