using Tessera.Models.Safetensors;

namespace Tessera.Models.Hub;

/// <summary>Brings a model from a hub into the cache and says where it lies.</summary>
public static class HubSnapshot
{
    private static readonly string[] Companions =
        ["config.json", "generation_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json", "added_tokens.json", "vocab.json", "merges.txt"];

    /// <summary>The folder of a model, or its GGUF file, after loading what the cache lacks.</summary>
    /// <remarks>
    /// Loaded are config.json, tokenizer and template files, and model.safetensors or the shards that its index names; a GGUF file
    /// only where it is named. Where the hub cannot be reached, what the cache holds of the revision is used.
    /// </remarks>
    /// <param name="model">The model.</param>
    /// <param name="settings">Hub, cache, token.</param>
    /// <param name="progress">Told about every megabyte or so; null for nobody.</param>
    /// <param name="warn">Told, in a sentence, that the cache had to do; null for nobody.</param>
    /// <param name="cancellation">Stops the download; what was loaded stays, and the next call goes on from there.</param>
    /// <exception cref="InvalidDataException">There is no such model, access is denied, or what came is not what was announced.</exception>
    /// <exception cref="IOException">The hub fails again and again and the cache lacks the model, or the disk is full.</exception>
    public static async Task<string> ResolveAsync(
        HubReference model, HubSettings settings, IProgress<HubProgress>? progress = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        var cache = new HubCache(settings.CacheFolder, model.Id);
        if (settings.IsOffline)
        {
            return Cached(cache, model) ?? throw new InvalidDataException(
                $"{model}: HF_HUB_OFFLINE is set, and {settings.CacheFolder} does not hold the model");
        }

        using var client = new HubClient(settings);
        (string Commit, IReadOnlyList<string> Files) listed;
        try
        {
            listed = await client.ListAsync(model, cancellation).ConfigureAwait(false);
        }
        catch (IOException error) when (Cached(cache, model) is { } cached)
        {
            warn?.Invoke($"{error.Message}; using what the cache holds");
            return cached;
        }

        var run = new Run(model, listed.Commit, client, cache, new HubDownload(client, cache, settings), progress);
        if (model.File is { } file)
        {
            RequireListed(model, listed.Files, file);
            await run.LoadAsync([file], cancellation).ConfigureAwait(false);
        }
        else
        {
            await run.LoadAsync([.. listed.Files.Where(IsCompanion)], cancellation).ConfigureAwait(false);
            await run.LoadAsync(await WeightsAsync(run, listed.Files, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
        }

        cache.WriteRevision(model.Revision, listed.Commit);
        return Location(cache, model, listed.Commit);
    }

    private static async Task<IReadOnlyList<string>> WeightsAsync(Run run, IReadOnlyList<string> files, CancellationToken cancellation)
    {
        if (!files.Contains(SafetensorsIndex.IndexName))
        {
            RequireListed(run.Model, files, SafetensorsIndex.SingleName);
            return [SafetensorsIndex.SingleName];
        }

        await run.LoadAsync([SafetensorsIndex.IndexName], cancellation).ConfigureAwait(false);
        string[] shards = [.. SafetensorsIndex.Read(run.Cache.Pointer(run.Commit, SafetensorsIndex.IndexName)).Values.Distinct().Order(StringComparer.Ordinal)];
        foreach (string shard in shards)
        {
            RequireListed(run.Model, files, shard);
        }

        return shards;
    }

    private static bool IsCompanion(string file) =>
        Companions.Contains(file) || (file.StartsWith("tokenizer", StringComparison.Ordinal) && !file.Contains('/', StringComparison.Ordinal));

    private static void RequireListed(HubReference model, IReadOnlyList<string> files, string file)
    {
        if (files.Contains(file))
        {
            return;
        }

        string[] gguf = [.. files.Where(name => name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))];
        throw new InvalidDataException(
            $"{model}: the model has no file {file}" + (gguf.Length > 0 ? $"; its GGUF files, one of which may be named, are {string.Join(", ", gguf.Take(12))}" : ""));
    }

    private static string? Cached(HubCache cache, HubReference model)
    {
        if (cache.ReadRevision(model.Revision) is not { } commit)
        {
            return null;
        }

        string path = Location(cache, model, commit);
        return model.File is null ? File.Exists(Path.Combine(path, "config.json")) ? path : null : File.Exists(path) ? path : null;
    }

    private static string Location(HubCache cache, HubReference model, string commit) =>
        model.File is { } file ? cache.Pointer(commit, file) : cache.Snapshot(commit);

    /// <summary>The loading of one commit's files, one group after the other, with one count of bytes.</summary>
    private sealed class Run(HubReference model, string commit, HubClient client, HubCache cache, HubDownload download, IProgress<HubProgress>? progress)
    {
        private long _done;
        private long _total;

        public HubReference Model => model;

        public string Commit => commit;

        public HubCache Cache => cache;

        public async Task LoadAsync(IReadOnlyList<string> files, CancellationToken cancellation)
        {
            var wanted = new List<HubFile>();
            foreach (string file in files.Where(file => !File.Exists(cache.Pointer(commit, file))))
            {
                wanted.Add(await client.DescribeAsync(model, commit, file, cancellation).ConfigureAwait(false));
            }

            _total += wanted.Sum(file => file.Bytes);
            foreach (HubFile file in wanted)
            {
                await download.LoadAsync(
                    model, commit, file, bytes => progress?.Report(new HubProgress(file.Name, _done + bytes, _total)), cancellation).ConfigureAwait(false);
                cache.Link(commit, file);
                _done += file.Bytes;
                progress?.Report(new HubProgress(file.Name, _done, _total));
            }
        }
    }
}
