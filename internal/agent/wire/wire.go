// Package wire is what the agent and the control plane say to each other.
package wire
