package metric

import (
	"encoding/json"
	"maps"
)

// Cells is what a point of a list or a table holds by column, and what a client of SDK v1 said of it beside.
// It is how Data is written: the cells in one JSON object, with the Note under the empty name, which no column
// has.
type Cells struct {
	Columns map[string]json.RawMessage
	Note    Note
}

// Note is what a client said of a point beside its cells.
type Note struct {
	ID      string            `json:"id,omitempty"`      // the client's own, by which it knows a point that it sends twice
	Stepped bool              `json:"stepped,omitempty"` // it named the step; else 0 stands for none
	Integer bool              `json:"int,omitempty"`     // a scalar's value is a whole number by its type
	Types   map[string]string `json:"types,omitempty"`   // of columns whose cells do not show it: a "NaN" that is a number
}

func (n Note) empty() bool { return n.ID == "" && !n.Stepped && !n.Integer && len(n.Types) == 0 }

// Encode returns the cells as Data; nil for nothing.
func (c Cells) Encode() json.RawMessage {
	all := maps.Clone(c.Columns)
	if !c.Note.empty() {
		if all == nil {
			all = map[string]json.RawMessage{}
		}
		raw, _ := json.Marshal(c.Note) // strings and bools alone
		all[""] = raw
	}
	if len(all) == 0 {
		return nil
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return json.RawMessage("!") // a cell is no JSON: Check says so
	}
	return raw
}

// DecodeCells reads Data; noted is false where no client of SDK v1 wrote a Note. Data of another form has no
// cells.
func DecodeCells(data json.RawMessage) (c Cells, noted bool) {
	if len(data) == 0 || json.Unmarshal(data, &c.Columns) != nil {
		return Cells{}, false
	}
	note, noted := c.Columns[""]
	if noted {
		noted = json.Unmarshal(note, &c.Note) == nil
		delete(c.Columns, "")
	}
	return c, noted
}
