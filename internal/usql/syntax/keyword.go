package syntax

import "slices"

// keyword reports whether a word cannot be a name without brackets.
func keyword(s string) bool { return slices.Contains(keywords(), s) }

func keywords() []string {
	return []string{
		"ALL", "AND", "ANTISEMIJOIN", "AS", "ASC", "BEGIN", "BETWEEN", "BY", "CASE", "CROSS", "DECLARE", "DESC", "DISTINCT", "ELSE",
		"END", "EXCEPT", "EXTRACT", "FETCH", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER", "INTERSECT", "IS", "JOIN", "LEFT",
		"LIKE", "NOT", "NULL", "OFFSET", "ON", "OPTION", "OR", "ORDER", "OUTER", "OUTPUT", "OVER", "PIVOT", "PROCESS", "PRODUCE",
		"READONLY", "REDUCE", "REQUIRED", "RIGHT", "SAMPLE", "SELECT", "SEMIJOIN", "THEN", "TO", "UNION", "UNPIVOT", "USING",
		"VALUES", "WHEN", "WHERE", "WITHIN", "null", "true", "false", "new",
	}
}

// typeNames are the words that may stand in a cast or before Parse.
func typeName(s string) bool {
	return slices.Contains([]string{
		"bool", "sbyte", "byte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "decimal", "char", "string",
		"DateTime", "Guid", "object", "Boolean", "Int16", "Int32", "Int64", "Single", "Double", "Decimal", "String", "Byte", "Char",
	}, s)
}

// foreign is what a statement of U-SQL may begin with, and zaffre does not run.
func foreign(s string) (fix string, ok bool) {
	fix, ok = map[string]string{
		"CREATE":    "read files with EXTRACT: there is no catalogue of databases and tables here",
		"DROP":      "take the statement out: there is no catalogue here",
		"ALTER":     "take the statement out: there is no catalogue here",
		"USE":       "take the statement out: there is no catalogue here",
		"TRUNCATE":  "take the statement out: there is no catalogue here",
		"INSERT":    "write a file with OUTPUT: there is no catalogue of tables here",
		"REFERENCE": "write the expression with members of C# that are supported: no assembly is loaded here",
		"DEPLOY":    "take the statement out: runs have no files beside them here",
		"USING":     "write names in full, without an alias",
		"IF":        "keep one branch, or make two scripts",
		"SET":       "take the statement out",
		"EXPORT":    "take the statement out",
		"ANALYZE":   "take the statement out: there are no tables here",
		"BEGIN":     "write the statements without a block",
	}[s]
	return fix, ok
}
