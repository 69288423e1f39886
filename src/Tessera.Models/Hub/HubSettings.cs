namespace Tessera.Models.Hub;

/// <summary>Where models come from, where they are kept, and how patient downloads are.</summary>
public sealed record HubSettings
{
    /// <summary>The hub's address, without a slash at the end.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>The folder that holds <c>models--org--name</c>.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Sent to the endpoint alone, and never shown; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>Use only what the cache holds.</summary>
    public bool IsOffline { get; init; }

    /// <summary>How long an answer, or the next bytes of it, may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Failures in a row, without a byte gained, after which a download is given up.</summary>
    public int Attempts { get; init; } = 6;

    /// <summary>The pause before the second attempt; each further one is twice as long, up to <see cref="LongestPause"/>.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The longest pause between two attempts.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Bytes that a folder's disk has left; by default what the system says.</summary>
    public Func<string, long> FreeBytes { get; init; } = folder => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>
    /// As the official client reads its environment: <c>HF_ENDPOINT</c>, <c>HF_TOKEN</c>, <c>HF_HUB_OFFLINE</c>, and the cache in
    /// <c>HF_HUB_CACHE</c>, else <c>hub</c> below <c>HF_HOME</c>, else below <c>~/.cache/huggingface</c>.
    /// </summary>
    /// <exception cref="ArgumentException">HF_ENDPOINT is no address, or HF_TOKEN holds what no header can.</exception>
    public static HubSettings FromEnvironment(Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        string? Value(string name) => environment(name) is { } value && value.Trim().Length > 0 ? value.Trim() : null;
        string home = Value("HF_HOME")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "huggingface");
        var settings = new HubSettings
        {
            CacheFolder = Path.GetFullPath(Value("HF_HUB_CACHE") ?? Path.Combine(home, "hub")),
            Token = Value("HF_TOKEN"),
            IsOffline = Value("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "TRUE" or "YES" or "ON",
        };
        if (settings.Token is { } token && token.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            throw new ArgumentException("HF_TOKEN: the token holds a character that no header can carry");
        }

        return Value("HF_ENDPOINT") is not { } endpoint ? settings
            : Uri.TryCreate(endpoint.TrimEnd('/'), UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? settings with { Endpoint = address }
            : throw new ArgumentException($"HF_ENDPOINT: '{endpoint}' is no http or https address");
    }

    /// <summary>Without the token: settings may end up in a message.</summary>
    public override string ToString() => $"{Endpoint} {CacheFolder}";
}
