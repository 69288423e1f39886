using Tessera.Models.Hub;
using Tessera.Runs;

namespace Tessera.Cli.Data;

/// <summary>Where a model that the command line names lies on this machine.</summary>
internal static class ModelPath
{
    /// <summary>The text itself, or, for <c>hf:org/name</c>, the folder or file in the cache, after loading what it lacks.</summary>
    /// <exception cref="ArgumentException">It begins with hf: and is no such name.</exception>
    /// <exception cref="InvalidDataException">The hub refuses the model.</exception>
    /// <exception cref="IOException">The hub cannot be reached and the cache lacks the model.</exception>
    public static string Of(string name)
    {
        if (!HubReference.IsNamed(name))
        {
            return name;
        }

        using var progress = new DownloadProgress(name);
        return HubSnapshot.ResolveAsync(
            HubReference.Parse(name), HubSettings.FromEnvironment(), progress, warning => Console.Error.WriteLine($"note: {warning}")).GetAwaiter().GetResult();
    }

    /// <summary>A line of progress for each group of files: the small ones, then the weights.</summary>
    private sealed class DownloadProgress(string name) : IProgress<HubProgress>, IDisposable
    {
        private const double Megabyte = 1e6;
        private ProgressReporter? _reporter;
        private long _total;

        public void Report(HubProgress value)
        {
            if (_reporter is null || value.Total != _total)
            {
                _reporter?.Dispose();
                _total = value.Total;
                _reporter = new ProgressReporter(Console.Error, new ProgressOptions
                {
                    Label = name,
                    Unit = "MB",
                    Total = (long)Math.Ceiling(value.Total / Megabyte),
                    Done = (long)(value.Done / Megabyte),
                });
            }

            _reporter.Report((long)Math.Ceiling(value.Done / Megabyte), value.File);
        }

        public void Dispose() => _reporter?.Dispose();
    }
}
