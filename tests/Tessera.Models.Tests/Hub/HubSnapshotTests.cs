using System.Text;
using Tessera.Models.Hub;

namespace Tessera.Models.Tests.Hub;

public sealed class HubSnapshotTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private readonly TemporaryFolder _cache = new();
    private readonly FaultyHub _hub = new();

    public HubSnapshotTests()
    {
        _hub.Files["config.json"] = "{}"u8.ToArray();
        _hub.Files["tokenizer.json"] = Encoding.UTF8.GetBytes(new string('t', 5000));
        _hub.Files["README.md"] = "not needed"u8.ToArray();
        _hub.Files["pytorch_model.bin"] = "not needed"u8.ToArray();
        _hub.Files["model-q8_0.gguf"] = "gguf"u8.ToArray();
        _hub.Files[Weights] = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 >> 3))];
        _hub.Large.Add(Weights);
    }

    private HubSettings Settings => new()
    {
        Endpoint = new Uri(_hub.Address),
        CacheFolder = _cache.File("hub"),
        Token = "hf_secret",
        Timeout = TimeSpan.FromSeconds(5),
        FirstPause = TimeSpan.FromMilliseconds(1),
        LongestPause = TimeSpan.FromMilliseconds(3),
    };

    private string ModelFolder => Path.Combine(_cache.File("hub"), "models--org--name");

    [Fact]
    public async Task A_model_lies_in_the_cache_as_the_official_client_lays_it_out()
    {
        var seen = new List<HubProgress>();
        string folder = await ResolveAsync("hf:org/name", Settings, new Recorder(seen));
        Assert.Equal(Path.Combine(ModelFolder, "snapshots", FaultyHub.Commit), folder);
        Assert.Equal(["config.json", Weights, "tokenizer.json"], Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(FaultyHub.Commit, File.ReadAllText(Path.Combine(ModelFolder, "refs", "main")));
        string blob = FaultyHub.Hash(_hub.Files[Weights], isLarge: true);
        Assert.Equal(Path.Combine("..", "..", "blobs", blob), new FileInfo(Path.Combine(folder, Weights)).LinkTarget);
        Assert.True(File.Exists(Path.Combine(ModelFolder, "blobs", FaultyHub.Hash(_hub.Files["config.json"], isLarge: false))));
        Assert.Empty(Directory.GetFiles(Path.Combine(ModelFolder, "blobs"), "*.incomplete"));
        Assert.All(_hub.Requests, request => Assert.Equal("Bearer hf_secret", request.Authorization));
        Assert.Equal((seen[^1].Total, seen[^1].Total), (seen[^1].Done, 5002L + 300_000));
        Assert.Equal(seen.Select(step => step.Done).Order(), seen.Select(step => step.Done));

        // A second call asks what the revision is, and loads nothing.
        int before = _hub.Requests.Count;
        Assert.Equal(folder, await ResolveAsync("hf:org/name", Settings));
        Assert.Equal(before + 1, _hub.Requests.Count);
    }

    [Fact]
    public async Task Shards_are_those_that_the_index_names_and_a_gguf_file_is_loaded_only_by_name()
    {
        _hub.Files.Remove(Weights);
        _hub.Files["model-00001-of-00002.safetensors"] = [1, 2, 3];
        _hub.Files["parts/second.safetensors"] = [4, 5];
        _hub.Files["model-old.safetensors"] = [6];
        _hub.Files["model.safetensors.index.json"] = """{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "parts/second.safetensors"}}"""u8.ToArray();
        string folder = await ResolveAsync("hf:org/name@v1.0", Settings);
        Assert.Equal([4, 5], File.ReadAllBytes(Path.Combine(folder, "parts", "second.safetensors")));
        Assert.False(File.Exists(Path.Combine(folder, "model-old.safetensors")));
        Assert.Equal(FaultyHub.Commit, File.ReadAllText(Path.Combine(ModelFolder, "refs", "v1.0")));
        Assert.Contains(_hub.Requests, request => request.Path == "/api/models/org/name/revision/v1.0");

        string file = await ResolveAsync("hf:org/name/model-q8_0.gguf", Settings);
        Assert.Equal("gguf", File.ReadAllText(file));
        Assert.EndsWith("model-q8_0.gguf", file, StringComparison.Ordinal);
        await RefusedAsync<InvalidDataException>("hf:org/name/other.gguf", Settings, "other.gguf", "model-q8_0.gguf");
    }

    [Fact]
    public async Task A_body_that_is_cut_again_and_again_goes_on_where_it_stopped()
    {
        _hub.Faults = (request, earlier) => request.IsContent && request.Path.EndsWith(Weights, StringComparison.Ordinal) && earlier < 20 ? new Fault { CutAfter = 14_000 } : null;
        string folder = await ResolveAsync("hf:org/name", Settings);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        long?[] starts = [.. _hub.ContentsOf(Weights).Select(request => request.RangeStart)];
        Assert.Equal(21, starts.Length);
        Assert.Equal([.. Enumerable.Range(0, 21).Select(i => i == 0 ? null : (long?)(i * 14_000))], starts);
    }

    [Fact]
    public async Task A_later_process_goes_on_where_an_earlier_one_was_killed()
    {
        _hub.Faults = (request, _) => request.IsContent && request.Path.EndsWith(Weights, StringComparison.Ordinal) ? new Fault { CutAfter = 100_000, Stall = TimeSpan.FromMinutes(1) } : null;
        using (var kill = new CancellationTokenSource())
        {
            var progress = new Recorder([]) { OnReport = step => { if (step.File == Weights && step.Done >= 100_000) { kill.Cancel(); } } };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => HubSnapshot.ResolveAsync(HubReference.Parse("hf:org/name"), Settings, progress, null, kill.Token));
        }

        Assert.False(File.Exists(Path.Combine(ModelFolder, "refs", "main")));
        string partial = Assert.Single(Directory.GetFiles(Path.Combine(ModelFolder, "blobs"), "*.incomplete"));
        long kept = new FileInfo(partial).Length;
        Assert.Equal(100_000, kept);
        _hub.Faults = (_, _) => null;
        string folder = await ResolveAsync("hf:org/name", Settings);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(kept, _hub.ContentsOf(Weights).Last().RangeStart);
        Assert.Single(_hub.ContentsOf("tokenizer.json"));
    }

    [Fact]
    public async Task Errors_of_the_server_and_silence_are_waited_out()
    {
        _hub.Faults = (request, earlier) => (request.Method, earlier) switch
        {
            (_, 0) => new Fault { Status = 503 },
            (_, 1) => new Fault { Status = 429 },
            ("GET", 2) => new Fault { Stall = TimeSpan.FromMinutes(1) },
            _ => null,
        };
        string folder = await ResolveAsync("hf:org/name", Settings with { Timeout = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Fact]
    public async Task A_server_that_never_recovers_is_one_sentence()
    {
        _hub.Faults = (_, _) => new Fault { Status = 500 };
        await RefusedAsync<IOException>("hf:org/name", Settings with { Attempts = 3 }, "hf:org/name", "127.0.0.1", "500");
        Assert.Equal(3, _hub.Requests.Count);
        _hub.Faults = (_, _) => new Fault { Stall = TimeSpan.FromMinutes(1) };
        await RefusedAsync<IOException>("hf:org/name", Settings with { Attempts = 2, Timeout = TimeSpan.FromMilliseconds(100) }, "no answer within 0.1 s");
        await RefusedAsync<IOException>("hf:org/name", Settings with { Attempts = 2, Endpoint = new Uri("http://127.0.0.1:1") }, "hf:org/name");
    }

    [Fact]
    public async Task A_server_that_passes_over_ranges_sends_all_again()
    {
        _hub.Faults = (request, earlier) => request.IsContent && request.Path.EndsWith(Weights, StringComparison.Ordinal)
            ? earlier == 0 ? new Fault { CutAfter = 90_000 } : new Fault { IgnoresRange = true }
            : null;
        string folder = await ResolveAsync("hf:org/name", Settings);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(2, _hub.ContentsOf(Weights).Count());
    }

    [Theory]
    [InlineData(Weights)]
    [InlineData("tokenizer.json")]
    public async Task Content_with_another_hash_is_refused_and_not_kept(string file)
    {
        _hub.Faults = (request, _) => request.IsContent && request.Path.EndsWith(file, StringComparison.Ordinal) ? new Fault { Spoils = true } : null;
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, "hf:org/name", file, "hash");
        Assert.False(File.Exists(Path.Combine(ModelFolder, "snapshots", FaultyHub.Commit, file)));
        Assert.Empty(Directory.GetFiles(Path.Combine(ModelFolder, "blobs"), "*.incomplete"));
        _hub.Faults = (_, _) => null;
        Assert.Equal(_hub.Files[file], File.ReadAllBytes(Path.Combine(await ResolveAsync("hf:org/name", Settings), file)));
    }

    [Fact]
    public async Task A_part_of_another_content_is_thrown_away_once()
    {
        string partial = Path.Combine(ModelFolder, "blobs", FaultyHub.Hash(_hub.Files[Weights], isLarge: true) + ".incomplete");
        Directory.CreateDirectory(Path.GetDirectoryName(partial)!);
        File.WriteAllBytes(partial, new byte[1234]);
        string folder = await ResolveAsync("hf:org/name", Settings);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal([1234, null], _hub.ContentsOf(Weights).Select(request => request.RangeStart));
    }

    [Fact]
    public async Task A_body_of_another_length_is_refused()
    {
        _hub.Faults = (request, _) => request.IsContent && request.Path.EndsWith(Weights, StringComparison.Ordinal) ? new Fault { Surplus = 5 } : null;
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, Weights, "300000 bytes");
    }

    [Fact]
    public async Task The_token_does_not_follow_a_redirect_to_another_host()
    {
        using var storage = new FaultyHub("localhost");
        storage.Files[Weights] = _hub.Files[Weights];
        _hub.Faults = (request, _) => request.Path.EndsWith(Weights, StringComparison.Ordinal) ? new Fault { RedirectTo = $"{storage.Address}/resolve/x/{Weights}" } : null;
        string folder = await ResolveAsync("hf:org/name", Settings);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Null(Assert.Single(storage.Requests).Authorization);
        Assert.Contains(_hub.Requests, request => request.Authorization == "Bearer hf_secret");

        // A way in the same place keeps it, as after a change of the model's name.
        _hub.Files["config.json"] = """{"changed": 1}"""u8.ToArray();
        Directory.Delete(ModelFolder, recursive: true);
        _hub.Faults = (request, _) => request.Path.StartsWith("/api/models/org/name/", StringComparison.Ordinal)
            ? new Fault { RedirectTo = request.Path.Replace("org/name", "new/name", StringComparison.Ordinal) }
            : null;
        await ResolveAsync("hf:org/name", Settings);
        Assert.Equal("Bearer hf_secret", _hub.Requests.First(request => request.Path.StartsWith("/api/models/new/name/", StringComparison.Ordinal)).Authorization);
    }

    [Fact]
    public async Task Endless_redirects_and_other_schemes_are_refused()
    {
        _hub.Faults = (request, _) => new Fault { RedirectTo = request.Path };
        await RefusedAsync<IOException>("hf:org/name", Settings, "redirects");
        _hub.Faults = (_, _) => new Fault { RedirectTo = "file:///etc/passwd" };
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, "file");
    }

    [Theory]
    [InlineData(401, null, "HF_TOKEN")]
    [InlineData(403, null, "403")]
    [InlineData(403, "GatedRepo", "gated")]
    [InlineData(404, "RepoNotFound", "no such model")]
    [InlineData(404, "RevisionNotFound", "no revision 'main'")]
    [InlineData(418, null, "418")]
    public async Task Refusals_are_one_sentence_without_the_token_and_not_repeated(int status, string? code, string part)
    {
        _hub.Faults = (_, _) => new Fault { Status = status, Code = code };
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, "hf:org/name", part);
        Assert.Single(_hub.Requests);
        Assert.DoesNotContain("hf_secret", $"{Settings}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../outside.json")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData("C:\\\\x")]
    public async Task Names_that_leave_the_folder_are_refused(string name)
    {
        _hub.List = $$"""{"sha": "{{FaultyHub.Commit}}", "siblings": [{"rfilename": "config.json"}, {"rfilename": "{{name}}"}]}""";
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, "does not stay inside");
        Assert.False(Directory.Exists(ModelFolder));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"siblings\": []}")]
    [InlineData("{\"sha\": \"../../x\", \"siblings\": []}")]
    [InlineData("not json")]
    public async Task A_list_that_is_none_is_refused(string list)
    {
        _hub.List = list;
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings, "hf:org/name");
    }

    [Fact]
    public async Task Offline_and_without_a_hub_the_cache_is_used()
    {
        await RefusedAsync<InvalidDataException>("hf:org/name", Settings with { IsOffline = true }, "HF_HUB_OFFLINE");
        string folder = await ResolveAsync("hf:org/name", Settings);
        int requests = _hub.Requests.Count;
        Assert.Equal(folder, await ResolveAsync("hf:org/name", Settings with { IsOffline = true }));
        Assert.Equal(folder, await ResolveAsync($"hf:org/name@{FaultyHub.Commit}", Settings with { IsOffline = true }));
        Assert.Equal(requests, _hub.Requests.Count);
        string? warning = null;
        _hub.Faults = (_, _) => new Fault { Status = 502 };
        Assert.Equal(folder, await HubSnapshot.ResolveAsync(HubReference.Parse("hf:org/name"), Settings with { Attempts = 2 }, null, text => warning = text));
        Assert.Contains("using what the cache holds", warning, StringComparison.Ordinal);
        await RefusedAsync<InvalidDataException>("hf:org/name@other", Settings with { IsOffline = true }, "other");
    }

    [Fact]
    public async Task Two_at_once_load_every_content_once()
    {
        _hub.Faults = (request, earlier) => request.IsContent && earlier == 0 ? new Fault { Stall = TimeSpan.FromMilliseconds(100) } : null;
        string[] folders = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => ResolveAsync("hf:org/name", Settings))));
        Assert.Single(folders.Distinct());
        Assert.Single(_hub.ContentsOf(Weights));
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(folders[0], Weights)));
    }

    [Fact]
    public async Task A_disk_without_room_is_told_before_anything_is_loaded()
    {
        await RefusedAsync<IOException>("hf:org/name", Settings with { FreeBytes = _ => 10_000 }, Weights, "300,000", "10,000");
        Assert.Empty(_hub.ContentsOf(Weights));
    }

    [Theory]
    [InlineData("hf:")]
    [InlineData("hf:org/../x")]
    [InlineData("hf:org/name/readme.md")]
    [InlineData("hf:org/name/../x.gguf")]
    [InlineData("hf:org/name@")]
    [InlineData("hf:org/name@../x")]
    [InlineData("hf:org/na me")]
    [InlineData("hf:org/name?x=1")]
    public void Names_that_are_none_are_refused(string text) =>
        Assert.Contains("hf:org/name", Assert.Throws<ArgumentException>(() => HubReference.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Names_have_model_file_and_revision()
    {
        Assert.Equal(new HubReference("org/name", null, "main"), HubReference.Parse("hf:org/name"));
        Assert.Equal(new HubReference("gpt2", null, "main"), HubReference.Parse("hf:gpt2"));
        Assert.Equal(new HubReference("org/name", "sub/m.Q8_0.gguf", "refs/pr/1"), HubReference.Parse("hf:org/name/sub/m.Q8_0.gguf@refs/pr/1"));
        foreach (string text in (string[])["hf:org/name", "hf:org/name/m.gguf@v2"])
        {
            Assert.Equal(text, HubReference.Parse(text).ToString());
        }
    }

    [Fact]
    public void The_environment_is_read_as_the_official_client_reads_it()
    {
        HubSettings Of(params (string Key, string Value)[] values) => HubSettings.FromEnvironment(name => values.FirstOrDefault(pair => pair.Key == name).Value);
        HubSettings plain = Of();
        Assert.Equal("huggingface.co", plain.Endpoint.Host);
        Assert.EndsWith(Path.Combine(".cache", "huggingface", "hub"), plain.CacheFolder, StringComparison.Ordinal);
        Assert.Null(plain.Token);
        HubSettings given = Of(("HF_HOME", "/data/hf"), ("HF_TOKEN", " hf_x\n"), ("HF_ENDPOINT", "https://mirror.example/hf/"), ("HF_HUB_OFFLINE", "1"));
        Assert.Equal(("/data/hf/hub", "hf_x", "https://mirror.example/hf", true), (given.CacheFolder, given.Token, given.Endpoint.ToString(), given.IsOffline));
        Assert.Equal("/elsewhere", Of(("HF_HOME", "/data/hf"), ("HF_HUB_CACHE", "/elsewhere")).CacheFolder);
        Assert.Contains("HF_ENDPOINT", Assert.Throws<ArgumentException>(() => Of(("HF_ENDPOINT", "mirror"))).Message, StringComparison.Ordinal);
        var error = Assert.Throws<ArgumentException>(() => Of(("HF_TOKEN", "a b")));
        Assert.DoesNotContain("a b", error.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _hub.Dispose();
        _cache.Dispose();
    }

    private static Task<string> ResolveAsync(string name, HubSettings settings, IProgress<HubProgress>? progress = null) =>
        HubSnapshot.ResolveAsync(HubReference.Parse(name), settings, progress);

    private static async Task RefusedAsync<T>(string name, HubSettings settings, params string[] parts)
        where T : Exception
    {
        var error = await Assert.ThrowsAsync<T>(() => ResolveAsync(name, settings));
        Assert.DoesNotContain('\n', error.Message);
        Assert.DoesNotContain("hf_secret", error.Message, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }

    /// <summary>Takes reports at once, in the thread that makes them.</summary>
    private sealed class Recorder(List<HubProgress> seen) : IProgress<HubProgress>
    {
        public Action<HubProgress>? OnReport { get; init; }

        public void Report(HubProgress value)
        {
            seen.Add(value);
            OnReport?.Invoke(value);
        }
    }
}
