package execution

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/envwire"
)

// The job options that kinds with Spark have, by which a configuration's sections for it are honoured.
const (
	sparkConf         = "conf"
	sparkMode         = "deployMode"
	sparkPackages     = "packages"
	sparkRepositories = "repositories"
)

func (c *config) pySpark() bool { return strings.EqualFold(c.Framework, "pyspark") }

// readSpark makes job options of what a configuration says to Spark, on a target that has them.
func (p *plan) readSpark(has map[string]bool) error {
	if !has[sparkConf] || !p.pySpark() && !sparkSet(&p.config) {
		return nil
	}
	options := map[string]any{}
	conf, err := p.sparkConf()
	if err != nil {
		return err
	}
	if len(conf) > 0 {
		options[sparkConf] = conf
	}
	switch {
	case !has[sparkMode]:
	case strings.EqualFold(p.HDI.Mode, "client"):
		options[sparkMode] = "client"
	case strings.EqualFold(p.HDI.Mode, "cluster"):
		p.warnings = append(p.warnings, "hdi.yarnDeployMode has no effect: cluster is what the client says of itself, and the driver runs on the head node")
	case p.HDI.Mode != "":
		return badConfig("its deploy mode is neither client nor cluster", "hdi.yarnDeployMode")
	}
	p.readPackages(has, options)
	for name, v := range options {
		p.option(name, v)
	}
	return nil
}

// sparkConf returns the configuration without what the client sets by itself. Values are one text each.
func (p *plan) sparkConf() (map[string]any, error) {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(p.Spark.Configuration)) {
		if name == "spark.app.name" || name == "spark.yarn.maxAppAttempts" {
			continue
		}
		var v any
		if err := json.Unmarshal(p.Spark.Configuration[name], &v); err != nil || v == nil {
			continue
		}
		switch v := v.(type) {
		case string:
			out[name] = v
		case float64, bool:
			out[name] = string(p.Spark.Configuration[name])
		default:
			return nil, badConfig(fmt.Sprintf("the value of %s is neither text nor a number", name), "spark.configuration")
		}
	}
	return out, nil
}

// readPackages makes job options of the Spark section of an environment.
func (p *plan) readPackages(has map[string]bool, options map[string]any) {
	var packages []any
	for _, k := range p.env.Spark.Packages {
		packages = append(packages, k.Group+":"+k.Artifact+":"+k.Version)
	}
	if !has[sparkPackages] || len(packages) == 0 {
		return
	}
	options[sparkPackages] = packages
	p.warnings = slices.DeleteFunc(p.warnings, func(w string) bool { return w == envwire.SparkNote })
	var repositories []any
	for _, r := range p.env.Spark.Repositories {
		repositories = append(repositories, r)
	}
	if has[sparkRepositories] && len(repositories) > 0 {
		options[sparkRepositories] = repositories
	}
}
