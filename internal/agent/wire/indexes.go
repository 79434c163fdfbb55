package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxTasks is how many tasks one job may have: what is kept of each is kept in memory.
const MaxTasks = 10_000

// maxIndex is the highest index that any Slurm takes (MaxArraySize, slurm.conf(5)).
const maxIndex = 4_000_000

// Indexes are the indexes of tasks, in their order, each once.
type Indexes []int

// ParseIndexes reads indexes as Slurm writes them: 0-9, or 1,3,5-7:2. An empty text is none.
func ParseIndexes(text string) (list Indexes, err error) {
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		first, last, step, err := parseRange(word)
		if err != nil {
			return nil, err
		}
		if len(list)+(last-first)/step+1 > MaxTasks {
			return nil, fmt.Errorf("there are more than %d", MaxTasks)
		}
		for i := first; i <= last; i += step {
			list = append(list, i)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// parseRange reads N, N-M or N-M:STEP.
func parseRange(word string) (first, last, step int, err error) {
	whole, by, stepped := strings.Cut(word, ":")
	from, to, ranged := strings.Cut(whole, "-")
	if !ranged {
		to = from
	}
	if !stepped {
		by = "1"
	}
	first, ok1 := index(from)
	last, ok2 := index(to)
	step, ok3 := index(by)
	if !ok1 || !ok2 || !ok3 || stepped && !ranged || step == 0 || last < first {
		return 0, 0, 0, fmt.Errorf("%q is neither an index nor a range of indexes from 0 to %d", word, maxIndex)
	}
	return first, last, step, nil
}

func index(s string) (n int, ok bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= maxIndex && s[0] != '+'
}

// String writes the indexes as ParseIndexes reads them, with ranges where there are some.
func (x Indexes) String() string {
	var b strings.Builder
	for i := 0; i < len(x); {
		end := i
		for end+1 < len(x) && x[end+1] == x[end]+1 {
			end++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(x[i]))
		if end > i {
			b.WriteString("-" + strconv.Itoa(x[end]))
		}
		i = end + 1
	}
	return b.String()
}
