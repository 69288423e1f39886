using Tessera.Cli.Data.Blends;
using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>Finds the files and folders that a recipe names, and hashes what they hold.</summary>
/// <remarks>
/// A relative path is looked for below the working directory, then beside the recipe, then below the program's repository: the
/// nearest folder above the program that has a <c>recipes</c> folder.
/// </remarks>
/// <param name="recipe">Path of the recipe.</param>
internal sealed class RecipePaths(string recipe)
{
    // Names a shape whose weights are drawn; what is behind the colon is a path.
    private const string RandomPrefix = "random:";

    private readonly Dictionary<string, string> _hashes = new(StringComparer.Ordinal);

    /// <summary>The recipe's own path: as typed, or below the program's repository.</summary>
    public static string FindRecipe(string path) =>
        File.Exists(path) || Path.IsPathRooted(path) || Root() is not { } root || !File.Exists(Path.Combine(root, path))
            ? path
            : Path.Combine(root, path);

    /// <summary>The path that a text names if it names one that exists, otherwise null.</summary>
    public string? Find(string text)
    {
        string prefix = text.StartsWith(RandomPrefix, StringComparison.Ordinal) ? RandomPrefix : string.Empty;
        string path = text[prefix.Length..];
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            return null;
        }

        if (Path.IsPathRooted(path) || Path.Exists(path))
        {
            return Path.Exists(path) ? text : null;
        }

        string?[] folders = [Path.GetDirectoryName(Path.GetFullPath(recipe)), Root()];
        string? found = folders.OfType<string>().Select(folder => Path.Combine(folder, path)).FirstOrDefault(Path.Exists);
        return found is null ? null : prefix + found;
    }

    /// <summary>Hash of what lies at a path that <see cref="Find"/> gave.</summary>
    public string Hash(string found)
    {
        string path = Path.GetFullPath(found.StartsWith(RandomPrefix, StringComparison.Ordinal) ? found[RandomPrefix.Length..] : found);
        if (!_hashes.TryGetValue(path, out string? hash))
        {
            hash = Directory.Exists(path) ? ContentHash.OfFolder(path) : OfFile(path);
            _hashes.Add(path, hash);
        }

        return found.StartsWith(RandomPrefix, StringComparison.Ordinal) ? RandomPrefix + hash : hash;
    }

    // A blend is what its sources hold, not what its file says alone.
    private static string OfFile(string path) => Path.GetExtension(path) is ".yaml" or ".yml"
        ? ContentHash.OfNamed([new("file", ContentHash.OfFile(path)), new("blend", BlendFile.Read(path).Hash())])
        : ContentHash.OfFile(path);

    private static string? Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, "recipes")))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
