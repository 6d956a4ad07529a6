// Command opsyard-agent is the program on every instance.
package main

import (
	"os"

	"opsyard/agent/agentcmd"
)

func main() { os.Exit(agentcmd.Main(os.Args[1:])) }
