using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Models.Tests.Templates;

/// <summary>The language, against what Python's Jinja2 3.1 renders for the same source.</summary>
public sealed class TemplateLanguageTests
{
    private const string Variables = """
        {"s": "Hello  World", "emoji": "a😀b", "n": 5, "f": 1.0, "tiny": 1e-7, "big": 1e22, "long": 10000000000000000, "edge": 1e16,
         "most": 1e23, "yes": true, "nothing": null, "list": [3, 1, 2], "d": {"a": 1, "items": [1], "b": {"c": "x"}},
         "rows": [{"r": "u", "c": 1}, {"r": "s", "c": 2}, {"r": "u"}]}
        """;

    [Theory]
    [InlineData("a\n  {% if true %}\n  b\n  {% endif %}\nc", "a\n  b\nc")]
    [InlineData("a\n  {%- if true %}\n  b\n  {%- endif %}\nc", "a  bc")]
    [InlineData("a {% if true -%}   \n b {%- endif %} c", "a b c")]
    [InlineData("x{{ 1 }}\ny", "x1\ny")]
    [InlineData("x{# c #}\ny", "xy")]
    [InlineData("  {# c #}\ny", "y")]
    [InlineData("{{ 'a' }}\n", "a")]
    [InlineData("  {%+ if true %}a{% endif %}", "  a")]
    [InlineData("{% for i in [1,2] %}\n{{i}}\n{% endfor %}\nend", "1\n2\nend")]
    [InlineData("{% if true +%}\nx{% endif %}", "\nx")]
    [InlineData("{#- a -#} x {#- b --#} y", "xy")]
    [InlineData("{{ 'a' -}} \n b", "ab")]
    [InlineData("a\r\nb\rc\r\n", "a\nb\nc")]
    [InlineData("{% raw %}{{ x }}{% if %}{% endraw %}!", "{{ x }}{% if %}!")]
    [InlineData("  {% raw -%}  {{ x }}  {%- endraw %}\n!", "{{ x }}!")]
    [InlineData("{{ '}}' }}{{ {'a': {'b': 1}}['a']['b'] }}", "}}1")]
    public void Whitespace_is_controlled_as_trim_blocks_and_lstrip_blocks_say(string source, string expected) =>
        Assert.Equal(expected, Rendering.Of(source));

    [Theory]
    [InlineData("{{ 'a' + ' x ' | trim + 'b' }}", "axb")]
    [InlineData("{{ 1 ~ 2 * 3 }}|{{ not 1 == 2 }}|{{ 2 ** 3 ** 2 }}|{{ -2 ** 2 }}", "16|True|64|4")]
    [InlineData("{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 2 in list and 'x' not in d }}", "True False True")]
    [InlineData("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ -7.5 // 2 }} {{ 1e3 % -2 }}", "-4 2 -2 3.5 -4.0 -0.0")]
    [InlineData("{{ f }} {{ tiny }} {{ big }} {{ long }} {{ edge }} {{ most }} {{ 0.1 + 0.2 }} {{ 1e15 }} {{ 1e-4 }} {{ 123456789.5 }}", "1.0 1e-07 1e+22 10000000000000000 1e+16 1e+23 0.30000000000000004 1000000000000000.0 0.0001 123456789.5")]
    [InlineData("{{ nothing }} {{ yes }} {{ d }} {{ (1,) }} {{ [none, 'it\\'s', \"q\\\"'\"] }}", "None True {'a': 1, 'items': [1], 'b': {'c': 'x'}} (1,) [None, \"it's\", 'q\"\\'']")]
    [InlineData("{{ ['\\x1c\\u2028\\u00e9\\n\\x7f'] }}", "['\\x1c\\u2028é\\n\\x7f']")]
    [InlineData("{{ emoji | length }} {{ emoji[1] }} {{ emoji[::-1] }} {{ emoji[-1] }} {{ list[5:1:-1] }} {{ s[::3] }}", "3 😀 b😀a b [2] Hl r")]
    [InlineData("{{ d.items is callable }} {{ d['items'] }} {{ d.b.c }} {{ d['keys'] is callable }} {{ list.0 }} {{ rows.0.r }}", "True [1] x True 3 u")]
    [InlineData("[{{ missing }}] [{{ d.x }}] [{{ list[9] }}] [{{ none.x }}] {{ 'a' in missing }} {{ missing is defined }} {{ missing == other }} {{ 'x' ~ missing }}", "[] [] [] [] False False True x")]
    [InlineData("{{ 'a' if false }}{{ 'b' if yes else 'c' }}{{ 1 if no else 2 if no else 3 }}", "b3")]
    [InlineData("{{ [1, 1.0, true] | unique | list }} {{ {1: 'a', 1.0: 'b', true: 'c'} }} {{ 1 == true }} {{ [1] == (1,) }}", "[1] {1: 'c'} True False")]
    [InlineData("{{ 10 ** 20 }} {{ 2 ** -1 }} {{ 0x1F }} {{ 1_000 }} {{ 0b11 }} {{ 0o17 }}", "100000000000000000000 0.5 31 1000 3 15")]
    [InlineData("{{ 'a' 'b' }}{{ '\\u00e9\\x41\\101\\q' }}", "abéAA\\q")]
    [InlineData("{{ '%s-%03d-%.2f' % ('a', 7, 1.005) }} {{ '%(k)s' % {'k': 1} }} {{ '{}{0!r:>5}{k:,}'.format('a', k=1234) if false else '{:>3}|{k:,}'.format('a', k=1234) }}", "a-007-1.00 1   a|1,234")]
    public void Expressions_compute_as_in_Python(string source, string expected) => Assert.Equal(expected, Rendering.Of(source, Variables));

    [Theory]
    [InlineData("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "21")]
    [InlineData("{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2")]
    [InlineData("{% set ns = namespace(x=1) %}{% for i in [1] %}{% set ns.x = 2 %}{% endfor %}{{ ns.x }}", "2")]
    [InlineData("{% for k, v in d.items() if k != 'b' %}{{ loop.index }}{{ k }}{{ v }}{% endfor %}", "1a12items[1]")]
    [InlineData("{% for i in list %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}", "03TrueFalse31 12FalseFalse332 21FalseTrue31 ")]
    [InlineData("{% for i in [] %}x{% else %}none{% endfor %}{% for i in [1, 2] %}{{ i }}{% else %}none{% endfor %}", "none12")]
    [InlineData("{% for i in range(10) %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "023")]
    [InlineData("{% for i in [1, [2, [3]]] recursive %}{% if i is number %}{{ i }}{% else %}<{{ loop(i) }}>{% endif %}{% endfor %}", "1<2<3>>")]
    [InlineData("{% macro m(a, b='x') %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}{{ m(b=1) }}", "12(3,){'k': 4}1(){}")]
    [InlineData("{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(7) %}{{ x + 1 }}{% endcall %}", "<8>")]
    [InlineData("{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "2")]
    [InlineData("{% set x | upper | trim %} a{{ 1 }} {% endset %}[{{ x }}]", "[A1]")]
    [InlineData("{% filter upper | replace('A', 'b') %}a{{ 'c' }}{% endfilter %}", "bC")]
    [InlineData("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "3")]
    [InlineData("{% set a, b = 1, [2, 3] %}{% set (c, d) = b %}{{ a }}{{ c }}{{ d }}", "123")]
    [InlineData("{% for i in list if i is odd %}{{ loop.index }}{{ i }}{{ loop.last }} {% endfor %}", "13False 21True ")]
    [InlineData("{% set j = joiner('-') %}{{ j() }}a{{ j() }}b", "a-b")]
    public void Statements_and_their_names_behave_as_in_Jinja2(string source, string expected) => Assert.Equal(expected, Rendering.Of(source, Variables));

    [Theory]
    [InlineData("{{ rows | map(attribute='r') | join(',') }} {{ rows | map(attribute='c', default=0) | list }}", "u,s,u [1, 2, 0]")]
    [InlineData("{{ rows | selectattr('c', 'undefined') | list | length }} {{ rows | rejectattr('r', 'equalto', 'u') | map(attribute='c') | first }}", "1 2")]
    [InlineData("{{ list | sort }} {{ list | sort(reverse=true) }} {{ list | reject('equalto', 1) | list }} {{ list | select('odd') | list }} {{ list | sum }} {{ list | max }}", "[1, 2, 3] [3, 2, 1] [3, 2] [3, 1] 6 3")]
    [InlineData("{{ rows | groupby('r') | map('first') | join(',') }} {{ d | dictsort | first }} {{ list | batch(2, 0) | list }} {{ list | slice(2) | list }}", "s,u ('a', 1) [[3, 1], [2, 0]] [[3, 1], [2]]")]
    [InlineData("{{ s.split() }} {{ s.split(' ') }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' 1 2 '.split(none, 1) }} {{ 'a\\nb\\r\\n'.splitlines() }}", "['Hello', 'World'] ['Hello', '', 'World'] ['a,b', 'c'] ['1', '2 '] ['a', 'b']")]
    [InlineData("{{ '\\x1c x\\u00a0\\u200b'.strip() == 'x\\u00a0\\u200b' }} {{ 'xxaxx'.strip('x') }} {{ 'abc'.lstrip('ab') }}", "True a c")]
    [InlineData("{{ s.replace('l', 'L', 1) }} {{ s | replace('o', '') }} {{ s.find('o') }} {{ s.rfind('o') }} {{ 'abab'.count('ab') }} {{ 'ab'.replace('', '-') }}", "HeLlo  World Hell  Wrld 4 8 2 -a-b-")]
    [InlineData("{{ 'a-b c'.title() }} {{ 'it\\'s' | title }} {{ 'aB' | capitalize }} {{ 'x'.center(4) }}| {{ '7'.zfill(3) }} {{ 'abc'.partition('b') }}", "A-B C It's Ab  x  | 007 ('a', 'b', 'c')")]
    [InlineData("{{ '7' | int + 1 }} {{ 'x' | int(-1) }} {{ '1.9' | int }} {{ '0x1f' | int(0, 16) }} {{ '1e3' | float }} {{ 2.5 | round }} {{ 2.675 | round(2) }} {{ 42.55 | round(1, 'floor') }}", "8 -1 1 31 1000.0 2.0 2.67 42.5")]
    [InlineData("{{ missing | default('x') }}{{ '' | d('y', true) }}{{ missing | items | list }}{{ d | items | first }}{{ missing | length }}", "xy[]('a', 1)0")]
    [InlineData("{{ 'a\\n\\nb' | indent(2) }}|{{ 'a b c d' | truncate(5, false, '…', 0) }}|{{ 'a b' | wordcount }}|{{ '<a>' | e }}", "a\n\n  b|a b…|2|&lt;a&gt;")]
    [InlineData("{{ list | length is divisibleby 3 }} {{ n is gt(4) }} {{ 'x' is in ['x'] }} {{ 1.0 is float }} {{ true is integer }} {{ d is mapping }} {{ s is sequence }} {{ 3 is sameas 3 }}", "True True True True False True True False")]
    [InlineData("{{ strftime_now('%d %b %Y|%-d|%B %A %H:%M:%S %j %y %p %%') }}", "10 Jul 2025|10|July Thursday 12:00:00 191 25 PM %")]
    public void Filters_tests_and_methods_answer_as_in_Jinja2(string source, string expected) => Assert.Equal(expected, Rendering.Of(source, Variables));

    [Theory]
    [InlineData("""{"a": [1, 2.0, true, null, "é😀\u007f\u2028\u0001\"\\\n</s>"], "b": {}, "c": []}""", "", "{\"a\": [1, 2.0, true, null, \"é😀\u007f\u2028\\u0001\\\"\\\\\\n</s>\"], \"b\": {}, \"c\": []}")]
    [InlineData("""{"a": [1, {"b": 2}], "c": []}""", "indent=2", "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": []\n}")]
    [InlineData("""{"b": "é\u007f", "a": 1}""", "ensure_ascii=true, sort_keys=true", "{\"a\": 1, \"b\": \"\\u00e9\\u007f\"}")]
    [InlineData("""[1, 2]""", "separators=(',', ':')", "[1,2]")]
    public void Tojson_writes_as_json_dumps(string value, string arguments, string expected) =>
        Assert.Equal(expected, Rendering.Of($"{{{{ x | tojson({arguments}) }}}}", $"{{\"x\": {value}}}"));

    [Theory]
    [InlineData("\n{{ missing.x }}", 2, "'missing' is undefined")]
    [InlineData("{{ 'a' + missing }}", 1, "'missing' is undefined")]
    [InlineData("{{ 'a' + 1 }}", 1, "unsupported operand types")]
    [InlineData("\n\n{{ raise_exception('roles must alternate') }}", 3, "roles must alternate")]
    [InlineData("{% for x in none %}{% endfor %}", 1, "'NoneType' object is not iterable")]
    [InlineData("{{ [1] | map('upper') | length }}", 1, "has no len()")]
    [InlineData("{{ d.pop('a') }}", 1, "unsafe")]
    [InlineData("{{ 1 | nofilter }}", 1, "no filter named 'nofilter'")]
    [InlineData("{{ 1 is notest }}", 1, "no test named 'notest'")]
    [InlineData("{{ {[1]: 2} }}", 1, "unhashable")]
    [InlineData("{{ 1 // 0 }}", 1, "division by zero")]
    [InlineData("{{ missing | tojson }}", 1, "not JSON serializable")]
    [InlineData("{% set d.a = 1 %}", 1, "no namespace")]
    [InlineData("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", 1, "not more than 1")]
    [InlineData("{{ [2, 'a'] | sort }}", 1, "not supported between")]
    [InlineData("{{ 'ab'.upper(1) }}", 1, "at most 0 arguments")]
    public void Wrong_use_of_values_is_one_sentence_with_the_line(string source, int line, string what)
    {
        var error = Rendering.Fails(source, Variables);

        Assert.Equal(line, error.Line);
        Assert.StartsWith($"test: line {line}: ", error.Message);
        Assert.Contains(what, error.Message);
    }

    [Theory]
    [InlineData("{{ 1", "not closed")]
    [InlineData("{% if x %}", "expected 'endif'")]
    [InlineData("{% for x y %}", "expected 'in'")]
    [InlineData("{% endfor %}", "unknown tag 'endfor'")]
    [InlineData("{{ (1] }}", "unexpected ']'")]
    [InlineData("{{ 'a }}", "string is not closed")]
    [InlineData("{{ 1 + }}", "expected an expression")]
    [InlineData("{{ }}", "expected an expression")]
    [InlineData("{# x", "comment is not closed")]
    [InlineData("{% raw %}x", "raw block is not closed")]
    [InlineData("{% break %}", "outside of a loop")]
    [InlineData("{% for x in y %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "outside of a loop")]
    [InlineData("{{ a ? b }}", "unexpected character")]
    [InlineData("{% include 'x' %}", "unknown tag 'include'")]
    [InlineData("{% set true = 1 %}", "cannot be assigned")]
    [InlineData("{{ '\\x1' }}", "escape")]
    public void Malformed_sources_are_refused(string source, string what) =>
        Assert.Contains(what, Assert.Throws<TemplateException>(() => ChatTemplate.Parse(source, "test")).Message);

    [Fact]
    public void Generation_blocks_are_found_in_the_text_and_keep_their_names()
    {
        const string Source = """
            {% for m in messages %}{{ m.role }}:
            {% if m.role == 'a' %}
            {% generation %}
            {% set x = m.content %}{{ x }}!
            {% endgeneration %}
            {% endif %}
            {% endfor %}[{{ x }}]
            """;
        var variables = JsonNode.Parse("""{"messages": [{"role": "u"}, {"role": "a", "content": "one"}, {"role": "a", "content": "two"}]}""")!.AsObject();

        var (text, spans) = ChatTemplate.Parse(Source, "test").RenderWithGenerationSpans(variables);

        Assert.Equal("u:\na:\none!\na:\ntwo!\n[]", text);
        Assert.Equal(["one!\n", "two!\n"], spans.Select(span => text.Substring(span.Start, span.Length)));
    }

    [Fact]
    public void Numbers_made_in_code_keep_their_kind_and_nothing_is_changed()
    {
        var variables = new JsonObject { ["a"] = 1, ["b"] = 1.0, ["c"] = 2m, ["d"] = long.MaxValue, ["e"] = "x", ["f"] = new JsonArray(1, 2.5f) };
        string before = variables.ToJsonString();

        Assert.Equal("1 1.0 2.0 9223372036854775807 x [1, 2.5]", ChatTemplate.Parse("{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }}", "test").Render(variables));
        Assert.Equal(before, variables.ToJsonString());
    }
}
