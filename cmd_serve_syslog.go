package main

import (
	"fmt"

	"opsyard/engine/syslog"
)

// auditFlags say where the audit is copied to.
type auditFlags struct {
	AuditSyslog   string `help:"Syslog receiver for a copy of the audit: udp://, tcp:// or tls://HOST:PORT, or unix:///dev/log."`
	AuditSyslogCA string `name:"audit-syslog-ca" help:"PEM file of those who may vouch for a tls:// receiver; default: the system's." type:"path"`
}

// auditReceiver is nil where no copy is wanted.
func (f auditFlags) auditReceiver() (*syslog.Receiver, error) {
	if f.AuditSyslog == "" {
		return nil, nil
	}
	r, err := syslog.Parse(f.AuditSyslog, f.AuditSyslogCA)
	if err != nil {
		return nil, fmt.Errorf("--audit-syslog: %w", err)
	}
	return r, nil
}
