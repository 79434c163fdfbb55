package face

import (
	"fmt"
	"strings"
)

// LogNames returns the names under which the SDK sees the logs of a managed run's attempts. It prints the last
// one's as it grows, and goes on at the line where it was in a log of the same name, so that each attempt's has
// a name of its own; those before it lie where the SDK does not look by itself. No name ends in a digit, which
// would be that of a node.
func LogNames(attempts int) []string {
	var names []string
	for i := 1; i < attempts; i++ {
		names = append(names, fmt.Sprintf("azureml-logs/%02d_attempt.txt", i))
	}
	if attempts > 0 {
		names = append(names, "user_logs/std_log"+strings.Repeat("_again", attempts-1)+".txt")
	}
	return names
}
