package models

import "slices"

// commandArgs are the arguments that each command takes; others take none
// (OpsWorks: DeploymentCommand).
var commandArgs = map[CommandName][]string{
	CommandDeploy:             {"migrate"},
	CommandExecuteRecipes:     {"recipes"},
	CommandUpdateDependencies: {"upgrade_os_to", "allow_reboot"},
}

// Validate refuses a command that cannot be asked for, and arguments that it
// does not take.
func (c DeploymentCommand) Validate() error {
	if !c.Name.Requestable() {
		return InvalidField("Command", "Command: %q is not a command that can be asked for.", c.Name)
	}
	for key := range c.Args {
		if !slices.Contains(commandArgs[c.Name], key) {
			return InvalidField("Args", "Args: the command %s takes no argument %q.", c.Name, shorten(key, 64))
		}
	}
	switch c.Name {
	case CommandDeploy:
		return c.checkFlag("migrate")
	case CommandExecuteRecipes:
		return c.checkRecipes()
	case CommandUpdateDependencies:
		return c.checkUpgrade()
	}
	return nil
}

// Flag tells whether a boolean argument is on.
func (c DeploymentCommand) Flag(key string) bool { return slices.Equal(c.Args[key], []string{"true"}) }

func (c DeploymentCommand) checkFlag(key string) error {
	values, given := c.Args[key]
	if given && !c.Flag(key) && !slices.Equal(values, []string{"false"}) {
		return InvalidField("Args", `Args: %s must be ["true"] or ["false"].`, key)
	}
	return nil
}

func (c DeploymentCommand) checkRecipes() error {
	recipes := c.Args["recipes"]
	if len(recipes) == 0 {
		return InvalidField("Recipes", "Recipes: name at least one recipe.")
	}
	for _, recipe := range recipes {
		if !ValidRecipe(recipe) {
			return InvalidField("Recipes", "Recipes: %q is not a recipe name, write cookbook::recipe.", shorten(recipe, 128))
		}
	}
	return nil
}

func (c DeploymentCommand) checkUpgrade() error {
	if err := c.checkFlag("allow_reboot"); err != nil {
		return err
	}
	system, given := c.Args["upgrade_os_to"]
	switch {
	case !given:
		return nil
	case len(system) != 1 || checkName("upgrade_os_to", system[0], 128) != nil:
		return InvalidField("UpgradeOsTo", "Args: upgrade_os_to must be a list with the name of one operating system.")
	case !c.Flag("allow_reboot"):
		return InvalidField("UpgradeOsTo", `Args: upgrade_os_to needs allow_reboot to be ["true"].`)
	}
	return nil
}

// Offers tells whether a command can be asked for on stacks of the manager.
// Chef 12 left some out; Chef 12.2, which runs on Windows, takes the two about
// dependencies and does nothing (OpsWorks: "Chef 12").
func (m ConfigurationManager) Offers(name CommandName) bool {
	return !m.IsChef12() || !name.ofChef11() || m.Version == Chef122 && !name.NeedsApp()
}

// IsIdle tells whether the command is one that the manager takes without doing
// anything.
func (m ConfigurationManager) IsIdle(name CommandName) bool { return m.IsChef12() && name.ofChef11() }

func (n CommandName) ofChef11() bool {
	switch n {
	case CommandInstallDependencies, CommandUpdateDependencies, CommandRollback, CommandStart, CommandStop, CommandRestart:
		return true
	}
	return false
}
