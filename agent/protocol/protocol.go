// Package protocol holds the messages that an agent and the server exchange.
//
// An agent dials GET /agent/session as a websocket. The server sends a
// Challenge, the agent answers with a Hello signed by its own key, the server
// sends a Welcome. After that both sides send frames in any order:
//
//	agent → server   Heartbeat, Metrics, Accepted, Started, LogChunk, Done, ProbeResult,
//	                 AccountsApplied, ShellOutput, ShellTaken, ShellEnded
//	server → agent   Accounts, Run, Cancel, LogStored, DoneStored, WatchMetrics, Probe,
//	                 ShellOpen, ShellInput, ShellResize, ShellCredit, ShellClose
//
// Every frame may arrive twice; both sides answer a repeat the same way and do
// its work once. Those of a shell cannot: they end with the line that they came
// on. The package imports the standard library alone.
package protocol

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Version is the protocol's version. A server accepts its own version and the
// one before it.
const Version = 1

// Addresses on the server.
const (
	PathEnroll  = "/agent/enroll"
	PathSession = "/agent/session"
	// PathContent is followed by "/" and a digest; see Content.
	PathContent = "/agent/content"
)

// Sizes and times both sides keep to.
const (
	HeartbeatEvery = 30 * time.Second // OpsWorks' keepalive
	ChunkSize      = 32 << 10         // bytes of log in one chunk at the most
	ChunkDelay     = 300 * time.Millisecond
	MaxFrame       = 4 << 20          // bytes; a longer frame ends the session
	MaxBackoff     = 60 * time.Second // between dials, with jitter; an agent never gives up
)

// EnrollRequest is the body of POST /agent/enroll: a one-time token is
// exchanged for an identity. A repeat with the same token and the same key is
// answered like the first one; with another key it is refused.
type EnrollRequest struct {
	Token     string `json:"token"`
	PublicKey []byte `json:"public_key"` // Ed25519, 32 bytes
	Facts     Facts  `json:"facts"`
	// InfrastructureClass of a host that registers itself: "ec2" or, left out,
	// "on-premises".
	InfrastructureClass string `json:"infrastructure_class,omitempty"`
}

// EnrollResponse names the instance that the agent now is.
type EnrollResponse struct {
	InstanceID string `json:"instance_id"`
	Hostname   string `json:"hostname"`
}

// Refusal is the JSON body of any refused agent request.
type Refusal struct {
	Code    string `json:"code"` // see Refused…
	Message string `json:"message"`
}

// Codes of a Refusal, also sent as close reason of a session.
const (
	RefusedToken    = "token"    // unknown, used or expired: get a new one
	RefusedIdentity = "identity" // instance unknown or key wrong: enrol again
	RefusedVersion  = "version"  // protocol too old or too new
	RefusedReplaced = "replaced" // another session of this instance has taken over
	RefusedBusy     = "busy"     // come back later
	// RefusedDeregistered ends a session for good: the host has left its stack,
	// and the agent removes itself.
	RefusedDeregistered = "deregistered"
)

// Facts describe the host; sent at enrolment and with each Hello.
type Facts struct {
	AgentVersion          string `json:"agent_version"`
	Hostname              string `json:"hostname"`
	OSFamily              string `json:"os_family"`  // "debian", "redhat", …
	OSName                string `json:"os_name"`    // "Debian GNU/Linux"
	OSVersion             string `json:"os_version"` // "12"
	Kernel                string `json:"kernel"`
	Arch                  string `json:"arch"` // "x86_64", "arm64"
	CPUs                  int    `json:"cpus"`
	MemoryBytes           int64  `json:"memory_bytes"`
	PrivateIP             string `json:"private_ip"`
	PublicIP              string `json:"public_ip"`
	BootID                string `json:"boot_id"` // changes when the machine boots
	SSHHostRSAFingerprint string `json:"ssh_host_rsa_fingerprint,omitempty"`
	// Managers are the configuration managers that are installed: "chef",
	// "puppet", "ansible"; nil from an agent that does not say.
	Managers []string `json:"managers"`
}

// maxFact is the longest fact that is believed.
const maxFact = 256

// Plausible is the facts without what no honest agent says. Facts end up in
// the configuration files of other instances (hosts, backends): a stolen agent
// key must not let anybody write a second line into them.
func (f Facts) Plausible() Facts {
	for _, text := range []*string{
		&f.AgentVersion, &f.Hostname, &f.OSFamily, &f.OSName, &f.OSVersion, &f.Kernel, &f.Arch, &f.BootID, &f.SSHHostRSAFingerprint,
	} {
		*text = plain(*text)
	}
	f.PrivateIP, f.PublicIP = address(f.PrivateIP), address(f.PublicIP)
	f.Managers = PlausibleManagers(f.Managers)
	return f
}

// PlausibleManagers are those of the names that Facts.Managers knows.
func PlausibleManagers(names []string) []string {
	if names == nil {
		return nil
	}
	known := []string{}
	for _, name := range []string{"ansible", "chef", "puppet"} {
		if slices.Contains(names, name) {
			known = append(known, name)
		}
	}
	return known
}

// plain is one printable line of bounded length.
func plain(s string) string { return plainTo(s, maxFact) }

func plainTo(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

// address is an IP address as Go writes it, or nothing.
func address(s string) string {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return ""
	}
	return addr.String()
}

// Challenge is the server's first frame.
type Challenge struct {
	Nonce      []byte    `json:"nonce"` // 32 random bytes
	ServerTime time.Time `json:"server_time"`
}

// SignedText is what the agent signs: it binds the nonce to the instance, so a
// signature cannot be used for another one.
func SignedText(nonce []byte, instanceID string) []byte {
	return append([]byte("opsyard agent session\x00"+instanceID+"\x00"), nonce...)
}

// Hello answers a Challenge.
type Hello struct {
	Version    int       `json:"version"`
	InstanceID string    `json:"instance_id"`
	Signature  []byte    `json:"signature"`
	AgentTime  time.Time `json:"agent_time"`
	Facts      Facts     `json:"facts"`
	// Unfinished lists the commands the agent holds: accepted, running, or
	// done but not yet confirmed by DoneStored. The server resends what it
	// believes sent and the agent does not hold.
	Unfinished []string `json:"unfinished,omitempty"`
	// Shells says that the agent knows ShellOpen.
	Shells bool `json:"shells,omitempty"`
}

// Welcome opens the session.
type Welcome struct {
	// SessionToken is the bearer token for PathContent while the session lives.
	SessionToken string `json:"session_token"`
	// LogStored tells for each unfinished command how much log is stored.
	LogStored []LogStored `json:"log_stored,omitempty"`
	// MetricsSeconds is how often the server wants Metrics; 0 is never, which
	// is what a server says that does not know them.
	MetricsSeconds int `json:"metrics_seconds,omitempty"`
}

// Heartbeat says that the agent lives; sent at most HeartbeatEvery after the last
// one, or after the last Metrics, which say so too. The server answers both with a
// pong of the websocket.
type Heartbeat struct {
	At      time.Time `json:"at"`
	Running string    `json:"running,omitempty"` // command id
	// SpoolBytes is log not yet confirmed by the server.
	SpoolBytes int64      `json:"spool_bytes,omitempty"`
	Load       [3]float64 `json:"load"`
}

// Run asks the agent to execute a command. The agent keeps the ids it has
// seen: a repeat of an unfinished one is answered with Accepted, of a finished
// one with Done, and is never run again.
type Run struct {
	CommandID    string `json:"command_id"`
	DeploymentID string `json:"deployment_id"`
	Type         string `json:"type"` // "setup", "configure", "deploy", "execute_recipes", …
	// Timeout bounds the whole run. When it is over, the recipe is sent TERM,
	// and KILL after KillDelay; the result is then Expired.
	TimeoutSeconds int `json:"timeout_seconds"`
	// Manager runs the recipes: "shell" (built-in layers always), "chef", "puppet" or "ansible".
	Manager string `json:"manager"`
	// RunList is in order. Empty is fine: the command then succeeds at once.
	RunList []RunItem           `json:"run_list,omitempty"`
	Args    map[string][]string `json:"args,omitempty"`
	DryRun  bool                `json:"dry_run,omitempty"`
	// Attributes are digests of JSON documents (see Content), deep-merged in
	// this order; the first is the stack's state.
	Attributes []string `json:"attributes,omitempty"`
	// Cookbooks are digests of tar.gz archives (see Content), one per cookbook
	// root; later ones override earlier ones file by file.
	Cookbooks []string `json:"cookbooks,omitempty"`
	// CustomCookbooks is the stack's own repository, fetched by the agent.
	// RefreshCookbooks asks to fetch it again; otherwise the cached copy runs.
	CustomCookbooks  *Source `json:"custom_cookbooks,omitempty"`
	RefreshCookbooks bool    `json:"refresh_cookbooks,omitempty"`
	// Apps are the apps this command deploys or undeploys (all apps of the
	// instance's layers at setup), with their secrets.
	Apps []App `json:"apps,omitempty"`
	// RdsDbInstances are the databases that the instance's layers may reach, by
	// the names that the state has them under.
	RdsDbInstances map[string]Database `json:"rds_db_instances,omitempty"`
	// AppDatabases are the databases that the instance is to serve, by the short
	// names of their apps.
	AppDatabases map[string]Database `json:"app_databases,omitempty"`
	// RedisPassword is that of the Redis that the instance is to serve.
	RedisPassword string `json:"redis_password,omitempty"`
	// Secrets are values that the agent hides in all output.
	Secrets []Secret `json:"secrets,omitempty"`
	// SentAt, in seconds since 1970, and IamUserArn are when the deployment was
	// made and by whom, empty for the engine itself.
	SentAt     int64  `json:"sent_at,omitempty"`
	IamUserArn string `json:"iam_user_arn,omitempty"`
	// DataBags are digests of JSON documents (see Content) with Chef's data bags,
	// laid over each other item by item: no secrets, many instances share them.
	DataBags []string `json:"data_bags,omitempty"`
	// PrivateDataBags are laid over those, PrivateAttributes below the attributes.
	// Both are JSON objects that hold secrets, and for Chef only.
	PrivateDataBags   json.RawMessage `json:"private_data_bags,omitempty"`
	PrivateAttributes json.RawMessage `json:"private_attributes,omitempty"`
	// Migrator is the instance that changes the apps' database, of all that the
	// deployment is sent to; empty when nobody is to.
	Migrator string `json:"migrator,omitempty"`
	// Instance describes the instance itself where the state does not, because
	// it is not online.
	Instance *OwnInstance `json:"instance,omitempty"`
}

// OwnInstance is an instance as recipes read about it.
type OwnInstance struct {
	Attributes  json.RawMessage `json:"attributes"`              // opsworks.instance
	DataBagItem json.RawMessage `json:"data_bag_item,omitempty"` // of aws_opsworks_instance
}

// KillDelay is the time between TERM and KILL for a recipe that must end.
const KillDelay = 10 * time.Second

// RunItem is one recipe of a run list.
type RunItem struct {
	Recipe  string `json:"recipe"` // "cookbook::recipe"
	BuiltIn bool   `json:"built_in,omitempty"`
	Layer   string `json:"layer,omitempty"` // short name of the layer it comes from
}

// Source says where code comes from (OpsWorks Source).
type Source struct {
	Type     string `json:"type"` // git, archive, s3, svn, other
	URL      string `json:"url"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	SSHKey   string `json:"ssh_key,omitempty"`
	Revision string `json:"revision,omitempty"`
}

// App is an app with everything that deploying it needs.
type App struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Shortname    string            `json:"shortname"`
	Type         string            `json:"type"`
	Source       Source            `json:"source"`
	Domains      []string          `json:"domains,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"` // DocumentRoot, …
	Environment  map[string]string `json:"environment,omitempty"`
	EnableSSL    bool              `json:"enable_ssl,omitempty"`
	Certificate  string            `json:"certificate,omitempty"`
	PrivateKey   string            `json:"private_key,omitempty"`
	Chain        string            `json:"chain,omitempty"`
	KeepReleases int               `json:"keep_releases,omitempty"` // 0 means 5
	Database     *Database         `json:"database,omitempty"`      // nil: it has none, or none that is up
	// Services are more variables of its environment, such as REDIS_URL: how to
	// reach what else the stack serves to apps. Those of Environment win.
	Services map[string]string `json:"services,omitempty"`
}

// Database is how to reach a database, with its password.
type Database struct {
	Adapter            string `json:"adapter"` // mysql2, postgresql, or the engine's own name
	Host               string `json:"host"`
	Port               int    `json:"port"`
	Username           string `json:"username"`
	Password           string `json:"password"`
	Database           string `json:"database,omitempty"`
	DataSourceProvider string `json:"data_source_provider"` // mysql, postgresql, rds
}

// Secret is a value that must not leave the host.
type Secret struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Cancel asks to end a command; the agent answers with Done.
type Cancel struct {
	CommandID string `json:"command_id"`
	Reason    string `json:"reason"`
}

// Accepted says that the agent holds the command on its disk.
type Accepted struct {
	CommandID string    `json:"command_id"`
	At        time.Time `json:"at"`
}

// Started says that the command's first process is about to run.
type Started struct {
	CommandID string    `json:"command_id"`
	At        time.Time `json:"at"`
}

// Outcome is how a command ended on the instance.
type Outcome string

// Outcomes of a command.
const (
	Successful Outcome = "successful"
	Failed     Outcome = "failed"
	Expired    Outcome = "expired" // cut by its timeout
	Canceled   Outcome = "canceled"
)

// Done says that a command has ended. The agent repeats it in each session
// until DoneStored. LastSeq is the number of the command's last log chunk (0:
// it wrote none): the log is complete when that chunk is stored.
type Done struct {
	CommandID string    `json:"command_id"`
	Outcome   Outcome   `json:"outcome"`
	ExitCode  int       `json:"exit_code"`
	Message   string    `json:"message,omitempty"` // one sentence when it did not succeed
	At        time.Time `json:"at"`
	LastSeq   int64     `json:"last_seq"`
	// Sources are what the command got from repositories, in order.
	Sources []Fetched `json:"sources,omitempty"`
	// RebootOf asks for a reboot: it is the boot in which the command asked.
	RebootOf string `json:"reboot_of,omitempty"`
	// Managers are Facts.Managers after a Setup, which may have installed one.
	Managers []string `json:"managers,omitempty"`
}

// Fetched is code that a command got from a repository, or from the instance's
// cache of it.
type Fetched struct {
	// For is the short name of the app whose code it is, the directory that a
	// recipe fetched into, or empty for the stack's cookbooks.
	For      string `json:"for,omitempty"`
	Type     string `json:"type"`               // git, archive, s3, svn
	URL      string `json:"url"`                // without credentials
	Revision string `json:"revision,omitempty"` // that was asked for
	Got      string `json:"got"`                // a commit, a revision, or "sha256:" and the archive's digest
	Bytes    int64  `json:"bytes"`
	Files    int    `json:"files"`
}

// Bounds of what is believed of a command's sources.
const (
	maxSources = 100
	maxURL     = 1024
)

// PlausibleSources are the sources without what no honest agent says: they are
// stored, and shown to people.
func PlausibleSources(all []Fetched) []Fetched {
	all = all[:min(len(all), maxSources)]
	for n := range all {
		f := &all[n]
		f.For, f.Type, f.Revision, f.Got = plain(f.For), plain(f.Type), plain(f.Revision), plain(f.Got)
		f.URL = plainTo(f.URL, maxURL)
		f.Bytes, f.Files = max(f.Bytes, 0), max(f.Files, 0)
	}
	return all
}

// LogStored says that all chunks of a command up to Seq are durable: the
// agent may delete them. It answers each chunk; an answer that brings nothing
// new means a gap, and the agent sends again from Seq+1.
type LogStored struct {
	CommandID string `json:"command_id"`
	Seq       int64  `json:"seq"`
}

// DoneStored says that a Done is durable: the agent may forget the command's
// files but keeps its id. Reboot answers RebootOf where the agent itself has to
// reboot the host.
type DoneStored struct {
	CommandID string `json:"command_id"`
	Reboot    bool   `json:"reboot,omitempty"`
}

// LogChunk is a piece of a command's output. Seq counts from 1 without holes;
// Offset is the number of bytes before this chunk, so that the whole log is
// the chunks' Data in order. The data travels outside the JSON header; it is
// empty when there are only steps to tell.
type LogChunk struct {
	CommandID string    `json:"command_id"`
	Seq       int64     `json:"seq"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"` // when its first byte was written
	// Steps begin or end at a byte of this chunk.
	Steps []Step `json:"steps,omitempty"`
	Data  []byte `json:"-"`
}

// Step marks where a part of the run (a phase or a recipe, or a resource in
// it) begins or ends in the log. A step is sent once when it begins and once
// more, with Result, when it ends; Index tells them together.
type Step struct {
	Index  int    `json:"index"`  // counts from 0 in a command
	Parent int    `json:"parent"` // index of the step around it, -1 for none
	Kind   string `json:"kind"`   // "phase", "recipe", "resource"
	Name   string `json:"name"`
	// Offset is the byte of the whole log where the step begins or ends.
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
	Result    string    `json:"result,omitempty"` // "" while it runs; "successful", "failed", "skipped"
	Changed   int       `json:"changed,omitempty"`
	Unchanged int       `json:"unchanged,omitempty"`
}

// Content is fetched with GET PathContent/DIGEST and the session token as
// bearer. The digest is "sha256:" and 64 hex digits of the decoded body, and
// the agent checks it. Bodies travel gzip-encoded; a digest that the agent
// already holds is never fetched again.

// Frame is one message on the wire, before its payload is decoded.
type Frame struct {
	Type    string          `json:"t"`
	Payload json.RawMessage `json:"p"`
}
