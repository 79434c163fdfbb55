package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// LogChunk is the data of an event of a log's stream.
type LogChunk struct {
	Offset int64  `json:"offset" doc:"Of the text's first byte"`
	Text   string `json:"text"`
}

// followLog reads a log's stream from offset to its end.
func (c *Client) followLog(ctx context.Context, offset int64, at func(int64) call, emit func(string) error) error {
	next := func(last string) call {
		if n, err := strconv.ParseInt(last, 10, 64); err == nil {
			offset = n
		}
		k := at(offset)
		if last != "" {
			k.header = http.Header{"Last-Event-Id": {last}}
		}
		return k
	}
	return c.stream(ctx, "", next, func(m message) error {
		if m.event == "end" {
			return errEnd
		}
		if m.data == "" {
			return nil
		}
		var chunk LogChunk
		if err := json.Unmarshal([]byte(m.data), &chunk); err != nil {
			return unreadable(err)
		}
		return emit(chunk.Text)
	})
}

func unreadable(err error) error {
	return &Fault{
		Code: CodeInternal, Reason: "AnswerUnreadable", Title: "the server's stream cannot be read",
		Detail: fmt.Sprint(err), Fix: "compare the versions of client and server; run: zaffre version",
	}
}
