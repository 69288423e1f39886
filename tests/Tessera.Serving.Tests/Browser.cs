using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Tessera.Serving.Tests.Browser))]

namespace Tessera.Serving.Tests;

/// <summary>Headless Chromium where Debian puts it; tests that need one are skipped by name where there is none.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const string Path = "/usr/bin/chromium";
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>A page of a given size and colour scheme, with every fault of its scripts noted.</summary>
    public async Task<Visit> Open(Uri address, int width = 1100, int height = 760, ColorScheme scheme = ColorScheme.Light)
    {
        Assert.SkipUnless(File.Exists(Path), $"there is no browser at {Path}");
        _playwright ??= await Playwright.CreateAsync();

        // A container runs as root, where Chromium has no sandbox; it sees only our own page.
        _browser ??= await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Path, Args = ["--no-sandbox", "--disable-gpu"] });
        var context = await _browser.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = height },
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
        });
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(10_000);
        var visit = new Visit(context, page, address);
        await page.GotoAsync(address.ToString());
        return visit;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}

/// <summary>One visit of the chat page.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly IBrowserContext _context;

    internal Visit(IBrowserContext context, IPage page, Uri address)
    {
        _context = context;
        Page = page;
        page.Console += (_, message) => Note(message.Type is "error" or "warning", message.Text);
        page.PageError += (_, error) => Note(true, error);
        page.Request += (_, request) => Note(!request.Url.StartsWith(address.ToString(), StringComparison.Ordinal)
            && !request.Url.StartsWith("data:", StringComparison.Ordinal), $"asks for {request.Url}");
    }

    public IPage Page { get; }

    /// <summary>What the page's console, its scripts or its requests did wrong.</summary>
    public List<string> Faults { get; } = [];

    public ILocator Prompt => Page.GetByRole(AriaRole.Textbox, new() { Name = "Message" });

    public ILocator Thinking => Page.GetByRole(AriaRole.Switch, new() { Name = "Thinking" });

    public ILocator Thought => Page.Locator("details.thought").Last;

    public ILocator Answer => Page.Locator("article.assistant > .text").Last;

    public async Task Ask(string text)
    {
        await Prompt.FillAsync(text);
        await Prompt.PressAsync("Enter");
    }

    /// <summary>Waits until the last reply is complete.</summary>
    public Task Complete() => Assertions.Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Send" })).ToBeVisibleAsync();

    /// <summary>Keeps a picture of the page beside the test's program.</summary>
    public async Task Picture(string name)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "screenshots");
        Directory.CreateDirectory(folder);
        await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png") });
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();

    private void Note(bool isFault, string what)
    {
        if (isFault)
        {
            Faults.Add(what);
        }
    }
}
