package engine

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
)

// OperatingSystems lists what a stack or instance can ask for (OpsWorks:
// DescribeOperatingSystems).
func (e *Engine) OperatingSystems() []models.OperatingSystem {
	return slices.Clone(models.OperatingSystems)
}

// AgentVersions lists the agents that stacks of a configuration manager can ask
// for; of one without a version, those of all its versions (OpsWorks:
// DescribeAgentVersions). The agent is part of the server, so there is only the
// server's own.
func (e *Engine) AgentVersions(manager models.ConfigurationManager) []models.AgentVersion {
	var versions []models.AgentVersion
	for _, v := range models.ChefVersions {
		if manager.IsChef() && (manager.Version == v || manager.Version == "") {
			versions = append(versions, models.AgentVersion{Version: e.version, Manager: models.ConfigurationManager{Name: models.ManagerChef, Version: v}})
		}
	}
	if !manager.IsChef() && slices.Contains(models.Managers, manager.Name) {
		versions = append(versions, models.AgentVersion{Version: e.version, Manager: manager})
	}
	return versions
}

func (e *Engine) checkAgentVersion(s *models.Stack) error {
	if s.AgentVersion == models.AgentLatest || s.AgentVersion == e.version {
		return nil
	}
	return models.InvalidField("AgentVersion", "Agent version: %q is not offered here; use %s or %s.", s.AgentVersion, models.AgentLatest, e.version)
}

// InstallerPath is where the server serves the archive that registers a host.
const InstallerPath = "/agent/opsworks-agent-installer.tgz"

// Provisioning is what a host needs to become an instance of the stack
// (OpsWorks: DescribeStackProvisioningParameters). It needs the level manage.
func (e *Engine) Provisioning(ctx context.Context, id models.StackID) (installer string, parameters map[string]string, err error) {
	stack, err := e.Authorize(ctx, id, "DescribeStackProvisioningParameters")
	if err != nil {
		return "", nil, err
	}
	token, err := e.registrationToken(ctx, stack)
	if err != nil {
		return "", nil, err
	}
	base := strings.TrimSuffix(e.publicURL, "/")
	host, port, tls := endpoint(base)
	return base + InstallerPath, map[string]string{
		"agent_installer_tgz":    InstallerPath[strings.LastIndex(InstallerPath, "/")+1:],
		"assets_download_bucket": base + "/agent",
		// Agents know the server by its TLS certificate; OpsWorks' own key for
		// its instance service has no counterpart.
		"charlie_public_key":               "",
		"instance_service_endpoint":        host,
		"instance_service_port":            port,
		"instance_service_region":          stack.Region,
		"instance_service_ssl_verify_peer": tls,
		"instance_service_use_ssl":         tls,
		"ops_works_endpoint":               host,
		"ops_works_port":                   port,
		"ops_works_region":                 stack.Region,
		"ops_works_ssl_verify_peer":        tls,
		"ops_works_use_ssl":                tls,
		"opsyard_server":                   base,
		"opsyard_token":                    token, // good for one host
		"verbose":                          "false",
		"wait_between_runs":                "30",
	}, nil
}

// endpoint takes an address apart.
func endpoint(address string) (host, port, tls string) {
	u, err := url.Parse(address)
	if err != nil {
		return address, "", "false"
	}
	port = u.Port()
	secure := u.Scheme == "https"
	switch {
	case port != "":
	case secure:
		port = "443"
	default:
		port = "80"
	}
	return u.Hostname(), port, strconv.FormatBool(secure)
}
