"""Every house rule goes red on a dashboard that breaks it, and on nothing else."""

import copy
import re
import unittest

import check_structure as rules
import live
import promql
from parts import exporter, fleet, source, throughput


def panel_of(dashboard, title):
    """The panel of this title."""
    return next(panel for panel in dashboard["panels"] if panel["title"] == title)


class TheRulesOfADashboard(unittest.TestCase):
    """What holds for a dashboard as a whole."""

    def setUp(self):
        self.dashboard = fleet.build()

    def assert_told(self, words):
        """One of the complaints has these words."""
        found = list(rules.dashboard_problems("fleet", self.dashboard))
        self.assertTrue([line for line in found if words in line], found)

    def test_the_shipped_dashboards_break_none(self):
        for name, module in {
            "fleet": fleet,
            "source": source,
            "throughput": throughput,
            "exporter": exporter,
        }.items():
            self.assertEqual(list(rules.dashboard_problems(name, module.build())), [])

    def test_an_other_uid_is_told(self):
        self.dashboard["uid"] = "fleet"
        self.assert_told("uid is 'fleet'")

    def test_an_editable_dashboard_is_told(self):
        self.dashboard["editable"] = True
        self.assert_told("editable is True")

    def test_inputs_are_told(self):
        self.dashboard["__inputs"] = []
        self.assert_told("imports as it is")

    def test_an_id_that_is_there_twice_is_told(self):
        self.dashboard["panels"][1]["id"] = self.dashboard["panels"][0]["id"]
        self.assert_told("ids are not unique")

    def test_a_title_that_is_there_twice_is_told(self):
        self.dashboard["panels"][1]["title"] = self.dashboard["panels"][0]["title"]
        self.assert_told("same title")

    def test_panels_that_overlap_are_told(self):
        self.dashboard["panels"][1]["gridPos"]["x"] -= 1
        self.assert_told("overlap")

    def test_a_panel_beyond_the_edge_is_told(self):
        self.dashboard["panels"][7]["gridPos"]["w"] += 1
        self.assert_told("leaves the grid")

    def test_a_missing_variable_is_told(self):
        del self.dashboard["templating"]["list"][2]
        self.assert_told("the variables are not")

    def test_a_fixed_data_source_of_a_variable_is_told(self):
        self.dashboard["templating"]["list"][1]["datasource"] = {"type": "prometheus", "uid": "abc"}
        self.assert_told("asks another data source")

    def test_all_without_a_value_is_told(self):
        del self.dashboard["templating"]["list"][3]["allValue"]
        self.assert_told("would name every value")

    def test_all_jobs_of_a_prometheus_are_told(self):
        self.dashboard["templating"]["list"][1]["allValue"] = ".+"
        self.assert_told("jobs that are no exporters")


class WhatIsNotKnown(unittest.TestCase):
    """Numbers that must not look as if all were well."""

    def setUp(self):
        self.dashboard = fleet.build()
        self.failed = panel_of(self.dashboard, "Failed")

    def assert_told(self, found, words):
        """One of the complaints has these words."""
        self.assertTrue([line for line in found if words in line], found)

    def test_a_number_that_is_green_for_nothing_is_told(self):
        self.failed["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"] = "green"
        self.assert_told(list(rules.panel_problems(self.failed)), "green while nothing is known")

    def test_a_zero_for_nothing_is_told(self):
        self.failed["fieldConfig"]["defaults"]["noValue"] = "0"
        self.assert_told(list(rules.panel_problems(self.failed)), "shows a number while nothing is known")

    def test_a_missing_age_is_told(self):
        panel_of(self.dashboard, "Data age")["title"] = "Age of data"
        self.assert_told(list(rules.dashboard_problems("fleet", self.dashboard)), "does not stand on top")

    def test_missing_marks_are_told(self):
        del self.dashboard["annotations"]["list"][1]
        self.assert_told(list(rules.dashboard_problems("fleet", self.dashboard)), "are not marked")

    def test_a_mark_by_a_metric_that_is_not_there_is_told(self):
        self.dashboard["annotations"]["list"][0]["expr"] = "sms_exporter_outages"
        self.assert_told(list(rules.dashboard_problems("fleet", self.dashboard)), "no such metric")

    def test_colours_are_those_of_thresholds_and_mappings(self):
        known = [live.colour(self.failed, "__auto", value) for value in (None, 0, 3)]
        self.assertEqual(known, ["#6e6e6e", "green", "red"])
        agent = panel_of(source.build(), "Agent")
        self.assertEqual([live.colour(agent, "agent", value) for value in (None, 0, 1)], ["#6e6e6e", "red", "green"])
        age = panel_of(self.dashboard, "Data age")
        self.assertEqual([live.colour(age, "of what is believed", v) for v in (None, 0.1, 2)], ["red", "green", "red"])
        self.assertEqual(live.colour(panel_of(self.dashboard, "Servers"), "__auto", None), "#6e6e6e")


class TheRulesOfAPanel(unittest.TestCase):
    """What holds for each panel."""

    def setUp(self):
        self.dashboard = fleet.build()
        self.series = panel_of(self.dashboard, "Servers by state")
        self.table = panel_of(self.dashboard, "Needs attention")

    def assert_told(self, panel, words):
        """One of the complaints has these words."""
        found = list(rules.panel_problems(panel))
        self.assertTrue([line for line in found if words in line], found)

    def test_a_description_that_says_nothing_is_told(self):
        self.series["description"] = "Servers by state"
        self.assert_told(self.series, "no description")

    def test_a_value_without_unit_and_mappings_is_told(self):
        del self.series["fieldConfig"]["defaults"]["unit"]
        self.assert_told(self.series, "neither a unit")

    def test_a_fixed_data_source_is_told(self):
        self.series["targets"][0]["datasource"] = {"type": "prometheus", "uid": "abc"}
        self.assert_told(self.series, "another data source")

    def test_a_letter_that_is_there_twice_is_told(self):
        self.table["targets"][1]["refId"] = "A"
        self.assert_told(self.table, "same letter")

    def test_an_override_that_hits_nothing_is_told(self):
        self.series["fieldConfig"]["overrides"][0]["matcher"]["options"] = "replicating"
        self.assert_told(self.series, "hits no field")

    def test_a_heading_that_no_column_has_is_told(self):
        self.table["options"]["sortBy"][0]["displayName"] = "Rank"
        self.assert_told(self.table, "ordered by Rank")

    def test_a_column_that_no_query_gives_is_told(self):
        del self.table["targets"][3]
        self.assert_told(self.table, "no query gives a column Value #D")

    def test_a_link_to_nowhere_is_told(self):
        broken = copy.deepcopy(self.table)
        links = next(p for o in broken["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "links")
        links["value"][0]["url"] = links["value"][0]["url"].replace("sms-source", "sms-server")
        self.assert_told(broken, "leads nowhere")

    def test_a_property_that_grafana_does_not_know_is_told(self):
        self.series["fieldConfig"]["overrides"][0]["properties"][0]["id"] = "colour"
        self.assert_told(self.series, "is no property")


class TheRulesOfAQuery(unittest.TestCase):
    """What holds for each query."""

    RIGHT = (
        "sum(max by (account) (rate(huaweicloud_sms_replicated_bytes_total"
        '{job=~"$job",account=~"$account"}[$__rate_interval])))'
    )

    def assert_told(self, query, words, legend=""):
        """One of the complaints has these words."""
        found = list(rules.query_problems(query, legend))
        self.assertTrue([line for line in found if words in line], found)

    def test_a_right_one_is_not_told(self):
        self.assertEqual(list(rules.query_problems(self.RIGHT)), [])

    def test_an_unknown_metric_is_told(self):
        self.assert_told(self.RIGHT.replace("replicated", "copied"), "no such metric")

    def test_an_unknown_label_is_told(self):
        self.assert_told(self.RIGHT.replace("{job", '{state="error",job'), "has no label state")

    def test_grouping_by_an_unknown_label_is_told(self):
        self.assert_told(self.RIGHT.replace("(account)", "(account, source_id)"), "has the label source_id")

    def test_a_legend_with_an_unknown_label_is_told(self):
        self.assert_told(self.RIGHT, "has the label state", "{{state}}")

    def test_a_query_of_all_jobs_is_told(self):
        self.assert_told(self.RIGHT.replace('job=~"$job",', ""), "does not ask for the job")

    def test_a_query_of_all_accounts_is_told(self):
        self.assert_told(self.RIGHT.replace(',account=~"$account"', ""), "does not ask for the account")

    def test_a_fixed_window_is_told(self):
        self.assert_told(self.RIGHT.replace("$__rate_interval", "5m"), "is not Grafana's window")

    def test_what_a_second_exporter_would_double_is_told(self):
        self.assert_told(self.RIGHT.replace("max by (account)", "sum by (account)"), "doubled")

    def test_odd_characters_are_refused(self):
        with self.assertRaisesRegex(ValueError, re.escape("odd characters ['#']")):
            promql.read("up # comment")


class TheChoiceOfAServer(unittest.TestCase):
    """The variable shows names and chooses ids."""

    def test_id_and_name_are_taken_from_a_series_as_grafana_writes_it(self):
        variable = fleet.build()["templating"]["list"][3]
        pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
        for name in ("web-01", 'the "old" one', "a} b", ""):
            found = re.search(pattern, f'{{source_id="0f-1",source_name="{name}"}} 4 1700000000000')
            self.assertEqual(found.groupdict(), {"value": "0f-1", "text": name})


class WhatLiveFillsIn(unittest.TestCase):
    """Variables as Grafana replaces them."""

    def test_the_window_is_four_polls_at_least(self):
        self.assertEqual(live.filled("x[$__rate_interval]", {}, 15, 900), "x[120s]")

    def test_the_window_grows_with_the_step(self):
        self.assertEqual(live.filled("x[$__rate_interval]", {}, 600, 86400), "x[630s]")

    def test_a_capture_group_is_left_alone(self):
        self.assertEqual(live.filled('"the $1"', {"job": "a"}, 15, 900), '"the $1"')

    def test_a_variable_that_nobody_knows_is_refused(self):
        with self.assertRaisesRegex(ValueError, "a variable is left"):
            live.filled('{cluster="$cluster"}', {"job": "a"}, 15, 900)


if __name__ == "__main__":
    unittest.main()
