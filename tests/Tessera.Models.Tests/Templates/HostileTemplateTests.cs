using System.Diagnostics;
using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Models.Tests.Templates;

/// <summary>Templates that try to take time, memory or the stack.</summary>
public sealed class HostileTemplateTests
{
    private const string Loop = "{% set ns = namespace(x=0) %}{% for i in range(1000) %}";

    // Small enough that each attempt ends at once, large enough that nothing honest would come near.
    private static readonly TemplateLimits Small = new()
    {
        MaxSteps = 500_000,
        MaxOutputLength = 1_000_000,
        MaxValueLength = 1_000_000,
        MaxBuiltLength = 20_000_000,
    };

    [Theory]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps")]
    [InlineData("{{ range(10**12) | list }}", "range")]
    [InlineData("{{ range(0, 10**30, 10**29) | list }}", "range")]
    [InlineData("{{ ('x' * 10**9) | length }}", "value of 1000000000 ")]
    [InlineData("{{ ('x' * 10**30) | length }}", "value of ")]
    [InlineData("{{ [1] * 10**9 }}", "value of 1000000000 ")]
    [InlineData("{{ 10 ** 10 ** 10 }}{{ 10 ** (10 ** 9) }}", "bits")]
    [InlineData("{% set ns = namespace(x=7) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}", "bits")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep")]
    [InlineData("{% macro m() %}{% call m() %}{% endcall %}{{ caller }}{% endmacro %}{{ m() }}", "deep")]
    [InlineData("{% set l = [1] %}{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}", "deep")]
    [InlineData("{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('x', 'xxxx') %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "more than")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "more than")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}", "more than")]
    [InlineData("{% set ns = namespace(x=[], y=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}", "steps")]
    [InlineData("{% set ns = namespace(x=(1,)) %}{% for i in range(99) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}", "steps")]
    [InlineData(Loop + "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}", "deep")]
    [InlineData(Loop + "{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x | tojson }}", "deep")]
    [InlineData(Loop + "{% set ns.x = [1, 2] | map('string') if i == 0 else ns.x | map('upper') %}{% endfor %}{{ ns.x | list }}", "chained")]
    [InlineData("{{ 'a\nb' | indent(10**9) }}", "value of 1000000000 ")]
    [InlineData("{{ [[1]] | tojson(indent=10**9) }}", "value of 1000000000 ")]
    [InlineData("{{ 'a'.center(10**9) }}{{ 'a'.zfill(10**9) }}", "value of 1000000000 ")]
    [InlineData("{{ '%1000000000d' % 1 }}", "value of 1000000000 ")]
    [InlineData("{{ '%.1000000000f' % 1.5 }}", "digits")]
    [InlineData("{{ '{:1000000000}'.format(1) }}", "value of 1000000000 ")]
    [InlineData("{{ [1] | batch(10**9, 0) | list }}", "value of 1000000000 ")]
    [InlineData("{{ [1] | slice(10**9) | list }}", "value of 1000000000 ")]
    [InlineData("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "more than")]
    [InlineData("{% for i in range(999) %}{% set x = ('x' * 100000).upper() %}{% endfor %}", "more than")]
    [InlineData("{% set big = 'x' * 900000 %}{% for i in range(9999) %}{% set x = 'y' in big %}{% endfor %}", "steps")]
    [InlineData("{% set big = 'x' * 900000 %}{% for i in range(9999) %}{% set x = big == big ~ '' %}{% endfor %}", "more than")]
    [InlineData("{% set big = 'x' * 900000 %}{% for i in range(99999) %}{% set x = big | length %}{% endfor %}", "steps")]
    [InlineData("{% set big = 'x' * 900000 %}{% for i in range(99999) %}{% set x = big[0:1] %}{% endfor %}", "steps")]
    [InlineData("{% set big = 'x' * 900000 %}{% for i in range(99999) %}{% set x = big | wordcount %}{% endfor %}", "steps")]
    public void Attempts_end_soon_with_a_sentence(string source, string what)
    {
        var watch = Stopwatch.StartNew();
        long before = GC.GetTotalAllocatedBytes();

        var error = Rendering.Fails(source, limits: Small);

        Assert.Contains(what, error.Message);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"took {watch.Elapsed}");
        Assert.True(GC.GetTotalAllocatedBytes() - before < 1_000_000_000, "allocated more than a gigabyte");
    }

    [Fact]
    public void Searches_take_linear_time()
    {
        // A pattern whose mistake stands in its middle makes a plain search compare half of it at every place.
        const string Source = """
            {% set text = 'a' * 900000 %}{% set part = 'a' * 200000 + 'b' + 'a' * 200000 %}
            {{ part in text }}{{ text.find(part) }}{{ text.rfind(part) }}{{ text.count(part) }}{{ text.replace(part, '') | length }}
            {{- text.split(part) | length }}{{ text.rsplit(part) | length }}
            """;
        var watch = Stopwatch.StartNew();

        Assert.Equal("False-1-1090000011", Rendering.Of(Source));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"took {watch.Elapsed}");
    }

    [Theory]
    [InlineData("(", ")", "1")]
    [InlineData("[", "]", "1")]
    [InlineData("{1:", "}", "1")]
    [InlineData("not ", "", "1")]
    [InlineData("-", "", "1")]
    [InlineData("1 if 1 else ", "", "1")]
    [InlineData("f(", ")", "1")]
    [InlineData("a[", "]", "1")]
    public void Deep_expressions_are_refused(string open, string close, string inner)
    {
        const int Depth = 50_000;
        string source = "{{ " + string.Concat(Enumerable.Repeat(open, Depth)) + inner + string.Concat(Enumerable.Repeat(close, Depth)) + " }}";

        Assert.Contains("deep", Rendering.Fails(source).Message);
    }

    [Theory]
    [InlineData("{% if 1 %}", "{% endif %}")]
    [InlineData("{% for x in [1] %}", "{% endfor %}")]
    [InlineData("{% macro m() %}", "{% endmacro %}")]
    [InlineData("{% set x %}", "{% endset %}")]
    [InlineData("{% generation %}", "{% endgeneration %}")]
    public void Deep_blocks_are_refused(string open, string close)
    {
        const int Depth = 20_000;
        string source = string.Concat(Enumerable.Repeat(open, Depth)) + string.Concat(Enumerable.Repeat(close, Depth));

        Assert.Contains("deep", Rendering.Fails(source).Message);
    }

    [Theory]
    [InlineData(" + 1")]
    [InlineData(".a")]
    [InlineData("|string")]
    [InlineData(" or 0")]
    public void Long_chains_do_not_overflow_the_stack(string link)
    {
        string source = "{{ 1" + string.Concat(Enumerable.Repeat(link, 100_000)) + " }}";
        TemplateException? error = null;

        // A stack as small as a server may give its threads.
        var thread = new Thread(() => error = Rendering.Fails(source), maxStackSize: 512 * 1024);
        thread.Start();
        thread.Join();

        Assert.Contains("deep", error!.Message);
    }

    [Fact]
    public void Recursion_on_a_small_stack_ends_with_a_sentence()
    {
        TemplateException? error = null;
        var thread = new Thread(
            () => error = Rendering.Fails("{% macro m(n) %}{{ [m(n + 1)] | join }}{% endmacro %}{{ m(0) }}", limits: Small with { MaxDepth = 1_000_000 }),
            maxStackSize: 512 * 1024);
        thread.Start();
        thread.Join();

        Assert.Contains("deep", error!.Message);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{{ ")]
    [InlineData("{% raw %}")]
    [InlineData("{# ")]
    [InlineData("\n ")]
    [InlineData("x ")]
    [InlineData("{% endraw ")]
    [InlineData("'\\")]
    public void Megabytes_of_anything_are_read_or_refused_in_linear_time(string piece)
    {
        string source = string.Concat(Enumerable.Repeat(piece, 1_000_000 / piece.Length));
        var watch = Stopwatch.StartNew();
        try
        {
            ChatTemplate.Parse(source, "test");
            ChatTemplate.Parse("{% raw %}" + source, "test");
        }
        catch (TemplateException)
        {
            // Refusing is as good.
        }

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"took {watch.Elapsed}");
    }

    [Fact]
    public void A_source_of_ten_megabytes_is_refused() =>
        Assert.Contains("10000000 characters", Rendering.Fails(new string('x', 10_000_000)).Message);

    [Fact]
    public void Deep_variables_are_refused()
    {
        JsonNode node = new JsonArray();
        for (int i = 0; i < 5_000; i++)
        {
            node = new JsonArray(node);
        }

        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("x", "test").Render(new JsonObject { ["a"] = node }));
        Assert.Contains("deep", error.Message);
    }

    [Theory]
    [InlineData("{{ ''.__class__ }}{{ [].__class__.__mro__ }}")]
    [InlineData("{{ ''['__class__']['__base__'] }}")]
    [InlineData("{{ range.__globals__['os'] }}")]
    [InlineData("{{ '{0.__class__.__name__}'.format(1) }}{{ ''.GetType().Assembly }}")]
    public void Nothing_of_the_host_can_be_reached(string source)
    {
        try
        {
            Assert.Equal(string.Empty, Rendering.Of(source));
        }
        catch (TemplateException error)
        {
            Assert.Contains("has no attribute", error.Message);
        }
    }

    [Fact]
    public void Random_sources_give_text_or_a_sentence()
    {
        string[] pieces =
        [
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "for x in y", "endfor", "if x", "else", "endif", "set a =", "macro m(a)",
            "endmacro", "x", "'a'", "1", "1.5", "[", "]", "(", ")", "{", "}", "|", "trim", "is", "not", "in", "~", "*", "//", ".", ",", ":", "raw",
            "endraw", "generation", "break", "call m()", "endcall", "\\", "\uD800", "é",
        ];
        var random = new Random(7);
        int rendered = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string source = string.Concat(Enumerable.Range(0, random.Next(1, 25)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Rendering.Of(source, limits: Small);
                rendered++;
            }
            catch (TemplateException error)
            {
                Assert.StartsWith("test: line ", error.Message);
            }
        }

        Assert.InRange(rendered, 1000, 19_000);
    }
}
