package query_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run/query"
)

func TestParse(t *testing.T) {
	t.Parallel()
	attr, metric, param, tag := query.Attribute, query.Metric, query.Param, query.Tag
	for filter, want := range map[string][]query.Clause{
		"":                               nil,
		"  \n":                           nil,
		"metrics.acc > 0.9":              {{Field: metric, Name: "acc", Op: ">", Number: 0.9}},
		"metric.`val loss`<=-1e-3":       {{Field: metric, Name: "val loss", Op: "<=", Number: -1e-3}},
		`metrics."a/b" != 3`:             {{Field: metric, Name: "a/b", Op: "!=", Number: 3}},
		"metrics.a.b>=.5":                {{Field: metric, Name: "a.b", Op: ">=", Number: 0.5}},
		"params.lr = '0.1'":              {{Field: param, Name: "lr", Op: "=", Value: "0.1"}},
		`parameters.lr="it's"`:           {{Field: param, Name: "lr", Op: "=", Value: "it's"}},
		"param.x = 'it''s'":              {{Field: param, Name: "x", Op: "=", Value: "it's"}},
		"tags.`mlflow.source` like 'a%'": {{Field: tag, Name: "mlflow.source", Op: query.Like, Value: "a%"}},
		"tag.mlflow.user ILIKE '%A_'":    {{Field: tag, Name: "mlflow.user", Op: query.ILike, Value: "%A_"}},
		"tags.zürich = '東京'":             {{Field: tag, Name: "zürich", Op: "=", Value: "東京"}},
		"tags.a IS NULL":                 {{Field: tag, Name: "a", Op: query.IsNull}},
		"tags.a is  not null":            {{Field: tag, Name: "a", Op: query.IsNotNull}},
		"status = 'Failed'":              {{Field: attr, Name: "status", Op: "=", Value: "Failed"}},
		"attributes.`Run name` = 'x'":    {{Field: attr, Name: "run_name", Op: "=", Value: "x"}},
		"attr.created < 5":               {{Field: attr, Name: "start_time", Op: "<", Number: 5}},
		"run_id IN ('a', \"b\")":         {{Field: attr, Name: "run_id", Op: query.In, Values: []string{"a", "b"}}},
		"run.run_id not in ('a')":        {{Field: attr, Name: "run_id", Op: query.NotIn, Values: []string{"a"}}},
		"metrics.a = 1 and params.b != 'and' AND tags.c='=,('": {
			{Field: metric, Name: "a", Op: "=", Number: 1}, {Field: param, Name: "b", Op: "!=", Value: "and"}, {Field: tag, Name: "c", Op: "=", Value: "=,("},
		},
	} {
		got, err := query.Parse(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for filter, reason := range map[string]string{
		"metrics.a > 1 OR metrics.b > 1": "FilterInvalid",
		"(metrics.a > 1)":                "FilterInvalid",
		"metrics.a > '1'":                "FilterInvalid",
		"metrics.a > nan":                "FilterInvalid",
		"metrics.a > 0x1p4":              "FilterInvalid",
		"metrics.a LIKE '1'":             "FilterInvalid",
		"metrics. > 1":                   "FilterInvalid",
		"params.a = 1":                   "FilterInvalid",
		"params.a > '1'":                 "FilterInvalid",
		"params.a = 'x":                  "FilterInvalid",
		"params.a == 'x'":                "FilterInvalid",
		"params.a":                       "FilterInvalid",
		"params.a = 'x' AND":             "FilterInvalid",
		"params.a = 'x' params.b = 'y'":  "FilterInvalid",
		"other.a = 'x'":                  "FilterInvalid",
		"acc > 1":                        "FilterInvalid",
		"run_id IN ()":                   "FilterInvalid",
		"run_id IN ('a'":                 "FilterInvalid",
		"tags.a IS 'x'":                  "FilterInvalid",
		"tags.a NOT LIKE 'x'":            "FilterInvalid",
		"tags.a RLIKE 'x'":               "FilterUnsupported",
		"datasets.name = 'x'":            "FilterUnsupported",
		"tags.a = '" + strings.Repeat("x", query.MaxLength) + "'": "FilterInvalid",
		"tags.a = 'x'" + strings.Repeat(" AND tags.a = 'x'", 60):  "FilterInvalid",
		"run_id IN ('x'" + strings.Repeat(",'x'", 2000) + ")":     "FilterInvalid",
	} {
		got, err := query.Parse(filter)
		if fault.ReasonOf(err) != reason || fault.From(err).Field != "filter" {
			t.Errorf("%.40s: %v, %v; want %s", filter, got, err, reason)
		}
	}
}

func TestParseOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]query.Order{
		"metrics.acc":             {Field: query.Metric, Name: "acc"},
		" metrics.`a b` desc ":    {Field: query.Metric, Name: "a b", Desc: true},
		"attributes.end_time ASC": {Field: query.Attribute, Name: "end_time"},
		"start_time DESC":         {Field: query.Attribute, Name: "start_time", Desc: true},
		"params.lr Asc":           {Field: query.Param, Name: "lr"},
	} {
		got, err := query.ParseOrder(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "metrics.", "metrics.a up", "metrics.a DESC x", "nothing", "metrics.a ASC DESC"} {
		if got, err := query.ParseOrder(text); fault.ReasonOf(err) != "FilterInvalid" {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a%", "abc", true},
		{"a%", "Abc", false},
		{"%c", "abc", true},
		{"%b%", "abc", true},
		{"a_c", "abc", true},
		{"a_c", "ac", false},
		{"_", "東", true},
		{"__", "東", false},
		{"", "", true},
		{"", "a", false},
		{"%", "", true},
		{"%%a%%", "bab", true},
		{"%ab%ab%", "abcab", true},
		{"%ab%ab%", "ab", false},
		{"a*?[", "a*?[", true},
		{"a*", "abc", false},
	} {
		like := query.Clause{Op: query.Like, Value: c.pattern}
		if got := like.Match(c.text); got != c.want {
			t.Errorf("%q LIKE %q is %v", c.text, c.pattern, got)
		}
	}
	if !(query.Clause{Op: query.ILike, Value: "ab%"}).Match("ABC") {
		t.Error("ILIKE looks at the case")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"metrics.a > 1e5 AND tags.`b c` != 'x''y'", `params."a" IN ('x',"y")`, "run_id is not null", "start_time>=.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := query.Parse(s)
		if err != nil {
			if fault.From(err).Why == "" {
				t.Errorf("%q: no reason", s)
			}
			return
		}
		var parts []string
		for _, c := range list {
			parts = append(parts, c.String())
		}
		again, err := query.Parse(strings.Join(parts, " AND "))
		if diff := cmp.Diff(list, again); diff != "" || err != nil {
			t.Errorf("%q is %q, and read again %v (-want +got):\n%s", s, parts, err, diff)
		}
	})
}
