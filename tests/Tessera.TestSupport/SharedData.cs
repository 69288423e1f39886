using Xunit;

namespace Tessera.TestSupport;

/// <summary>The folder of real data beside the repository, where it exists.</summary>
public static class SharedData
{
    /// <summary>The repository's root: the folder above that holds <c>global.json</c>.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The full path of a data file; the calling test is skipped, by name of the file, where it is missing.</summary>
    public static string Require(params string[] parts)
    {
        string path = Path.Combine([RepositoryRoot, "..", "shared", "data", .. parts]);
        path = Path.GetFullPath(path);
        Assert.SkipUnless(Path.Exists(path), $"shared data is not here: {string.Join('/', parts)}");
        return path;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "global.json")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("no global.json above the test's folder");
    }
}
