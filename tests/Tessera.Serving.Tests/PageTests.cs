using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Tessera.Serving.Tests;

/// <summary>The chat page in a real browser, over an engine that says what it was told to say.</summary>
public sealed class PageTests(ServedModel model, Browser browser)
{
    private const string Sum = "<think>7+5+0=12;4+8+1=13;</think>132";

    [Fact]
    public async Task The_page_loads_nothing_else_and_names_its_model()
    {
        await using var server = await Start();
        using var response = await server.Http.GetAsync("/");
        string policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; style-src 'sha256-", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        await using var visit = await browser.Open(server.Server.Address);
        await Expect(visit.Page.Locator("#model")).ToHaveTextAsync("scripted-1b");
        await Expect(visit.Page.GetByText("What shall we work out?")).ToBeVisibleAsync();
        await Expect(visit.Prompt).ToBeFocusedAsync();
        string color = await visit.Page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor");
        Assert.Equal("rgb(250, 248, 245)", color);
        Assert.Empty(visit.Faults);
    }

    [Fact]
    public async Task A_thought_is_open_while_it_grows_and_folds_when_the_answer_begins()
    {
        await using var server = await Start(_ => "<think>" + new string('7', 80) + "</think>132", 4);
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask("47+85");
        await Expect(visit.Thought).ToHaveAttributeAsync("open", "");
        await Expect(visit.Thought.Locator("summary")).ToContainTextAsync("Thinking");
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Stop" })).ToBeVisibleAsync();
        await visit.Complete();
        await Expect(visit.Thought).Not.ToHaveAttributeAsync("open", "");
        await Expect(visit.Answer).ToHaveTextAsync("132");
        await Expect(visit.Thought.Locator("summary")).ToContainTextAsync("82 tokens");
        await Expect(visit.Page.Locator(".foot")).ToContainTextAsync("86 tokens");
        await Expect(visit.Page.Locator(".foot")).ToContainTextAsync("tokens/s");
        await visit.Thought.Locator("summary").PressAsync("Enter");
        await Expect(visit.Thought.Locator(".text")).ToHaveTextAsync(new string('7', 80));
        await Expect(visit.Page.Locator(".user")).ToHaveTextAsync("47+85");
        Assert.Empty(visit.Faults);
    }

    [Fact]
    public async Task The_switch_and_the_conversation_are_sent()
    {
        var prompts = new List<string>();
        await using var server = await Start(prompt =>
        {
            prompts.Add(prompt);
            return prompt.Contains("thinking on", StringComparison.Ordinal) ? Sum : "42";
        });
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask("47+85");
        await visit.Complete();
        await visit.Thinking.PressAsync("Space");
        await Expect(visit.Thinking).Not.ToBeCheckedAsync();
        await visit.Ask("6*7");
        await visit.Complete();
        await Expect(visit.Answer).ToHaveTextAsync("42");
        Assert.Equal(1, await visit.Page.Locator("details.thought").CountAsync());
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync();
        await Expect(visit.Page.Locator("article")).ToHaveCountAsync(0);
        await Expect(visit.Prompt).ToBeFocusedAsync();
        await visit.Ask("1+1");
        await visit.Complete();
        Assert.Equal(
            [
                "<s><|system|>detailed thinking on<|user|>47+85<|assistant|>",
                "<s><|system|>detailed thinking off<|user|>47+85<|assistant|>132</s><|user|>6*7<|assistant|>",
                "<s><|system|>detailed thinking off<|user|>1+1<|assistant|>",
            ],
            prompts);
        Assert.Empty(visit.Faults);
    }

    [Theory]
    [InlineData("button")]
    [InlineData("escape")]
    [InlineData("new chat")]
    public async Task A_reply_is_stopped_by_button_by_escape_and_by_a_new_chat(string way)
    {
        await using var server = await Start(_ => new string('7', 3000), 4);
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask("all of it");
        await Expect(visit.Answer).ToContainTextAsync("777");
        await (way switch
        {
            "button" => visit.Page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).ClickAsync(),
            "escape" => visit.Page.Keyboard.PressAsync("Escape"),
            _ => visit.Page.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync(),
        });
        await visit.Complete();
        await Wait.Until(() => server.Engine.Cancelled == 1);
        await Expect(visit.Page.GetByText("Stopped").First).ToHaveCountAsync(way == "new chat" ? 0 : 1);
        Assert.Empty(visit.Faults);
    }

    [Fact]
    public async Task Text_is_never_read_as_html()
    {
        const string Hostile = "<img src=x onerror=document.title='bad'><b>bold</b>&amp;<script>document.title='bad'</script>";
        await using var server = await Start(prompt => $"<think>{Hostile}</think>{Hostile}");
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask(Hostile);
        await visit.Complete();
        await Expect(visit.Answer).ToHaveTextAsync(Hostile);
        await Expect(visit.Page.Locator(".user")).ToHaveTextAsync(Hostile);
        Assert.Equal(0, await visit.Page.Locator("#talk img, #talk b, #talk script").CountAsync());
        Assert.DoesNotContain("bad", await visit.Page.TitleAsync(), StringComparison.Ordinal);
        Assert.Empty(visit.Faults);
    }

    [Fact]
    public async Task Shift_enter_makes_a_line_and_an_empty_message_is_not_sent()
    {
        int asked = 0;
        await using var server = await Start(_ => { asked++; return "1"; });
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask("   ");
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Send" })).ToBeDisabledAsync();
        await visit.Prompt.FillAsync("one");
        await visit.Prompt.PressAsync("Shift+Enter");
        await visit.Prompt.PressSequentiallyAsync("two");
        Assert.Equal(0, asked);
        await visit.Prompt.PressAsync("Enter");
        await visit.Complete();
        Assert.Equal("one\ntwo", await visit.Page.Locator(".user").InnerTextAsync());
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task A_failure_is_shown_and_can_be_tried_again()
    {
        await using var server = await Start();
        server.Engine.Failure = new InvalidOperationException("out of luck");
        await using var visit = await browser.Open(server.Server.Address);
        await visit.Ask("47+85");
        await Expect(visit.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("out of luck");
        server.Engine.Failure = null;
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Try again" }).ClickAsync();
        await visit.Complete();
        await Expect(visit.Answer).ToHaveTextAsync("132");
        await Expect(visit.Page.GetByRole(AriaRole.Alert)).ToHaveCountAsync(0);
        await Expect(visit.Page.Locator(".user")).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task A_server_with_a_key_asks_for_it()
    {
        await using var server = await Start(settings: new ServerSettings { Port = 0, ApiKey = "right" });
        await using var visit = await browser.Open(server.Server.Address);
        var key = visit.Page.GetByLabel("API key");
        await Expect(key).ToBeFocusedAsync();
        await key.FillAsync("right");
        await key.PressAsync("Enter");
        await Expect(visit.Page.Locator("#model")).ToHaveTextAsync("scripted-1b");
        await Expect(key).ToBeHiddenAsync();
        await visit.Ask("47+85");
        await visit.Complete();
        await Expect(visit.Answer).ToHaveTextAsync("132");
    }

    [Theory]
    [InlineData("desktop-light", 1100, ColorScheme.Light)]
    [InlineData("phone-dark", 390, ColorScheme.Dark)]
    public Task Nothing_sticks_out_at_any_width_in_either_scheme(string name, int width, ColorScheme scheme) => LookAt(name, width, scheme);

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("desktop-dark", 1100, ColorScheme.Dark)]
    [InlineData("phone-light", 390, ColorScheme.Light)]
    [InlineData("tablet-dark", 800, ColorScheme.Dark)]
    [InlineData("narrow-light", 320, ColorScheme.Light)]
    public Task Nothing_sticks_out_at_further_widths(string name, int width, ColorScheme scheme) => LookAt(name, width, scheme);

    private async Task LookAt(string name, int width, ColorScheme scheme)
    {
        string thought = string.Concat(Enumerable.Range(1, 6).Select(i => $"{i}7+{i}5: 7+5=12, carry 1.\n"));
        await using var server = await Start(
            prompt => prompt.Contains("fail", StringComparison.Ordinal) ? throw new ArgumentException("the model could not take this request")
                : prompt.Contains("long", StringComparison.Ordinal) ? $"<think>{thought}" + new string('7', 3000)
                : $"<think>{thought}</think>\n\nThe sum is 132, because 7+5 is 12 and 4+8+1 is 13.\n" + new string('1', 140));
        await using var visit = await browser.Open(server.Server.Address, width, 760, scheme);
        await Expect(visit.Page.Locator("#model")).ToHaveTextAsync("scripted-1b");
        await Look("empty");
        await visit.Ask("What is 47+85? Please show every step of the written addition, and then the result alone.");
        await visit.Complete();
        await Look("closed");
        await visit.Thought.Locator("summary").ClickAsync();
        await Look("open");
        server.Engine.Delay = TimeSpan.FromMilliseconds(1);
        await visit.Ask("long");
        await Expect(visit.Thought.Locator(".text")).ToContainTextAsync("7777777777");
        await Look("streaming");
        await visit.Page.Keyboard.PressAsync("Escape");
        await visit.Complete();
        await visit.Ask("fail");
        await Expect(visit.Page.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        await Look("error");

        async Task Look(string moment)
        {
            await visit.Picture($"{name}-{moment}");
            int[] widths = await visit.Page.EvaluateAsync<int[]>(
                "() => [document.documentElement.scrollWidth, innerWidth, document.getElementById('scroll').scrollWidth, document.getElementById('scroll').clientWidth]");
            Assert.True(widths[0] <= widths[1] && widths[2] <= widths[3], $"{name} {moment}: {string.Join(' ', widths)}");
        }
    }

    private Task<Scripted> Start(Func<string, string>? script = null, double milliseconds = 0, ServerSettings? settings = null) =>
        Scripted.Start(model, script ?? (_ => Sum), milliseconds, settings);
}
