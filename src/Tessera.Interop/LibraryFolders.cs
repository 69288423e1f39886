namespace Tessera.Interop;

/// <summary>Where shared libraries are looked for, in order.</summary>
/// <remarks>
/// CUDA_HOME and CUDA_PATH, then the system's loader (LD_LIBRARY_PATH, its cache, its default folders), then the usual folders of
/// toolkits and drivers, then Python wheels: of the active environment, of the <c>python3</c> on the PATH, of the user, of
/// the system.
/// </remarks>
public sealed class LibraryFolders
{
    private readonly bool _usesLoader;
    private readonly string[] _preferred;
    private readonly string[] _usual;
    private readonly string[] _sitePackages;

    private LibraryFolders(bool usesLoader, IEnumerable<string> preferred, IEnumerable<string> usual, IEnumerable<string> sitePackages)
    {
        _usesLoader = usesLoader;
        _preferred = [.. preferred];
        _usual = [.. usual];
        _sitePackages = [.. sitePackages];
    }

    /// <summary>This machine's.</summary>
    public static LibraryFolders System { get; } = new(
        true,
        [.. Toolkit("CUDA_HOME"), .. Toolkit("CUDA_PATH")],
        [
            .. LibrariesOf("/usr/local/cuda"), .. Matches("/usr/local", "cuda-*").Reverse().SelectMany(LibrariesOf),
            "/usr/local/nvidia/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib",
        ],
        SitePackages().Distinct());

    /// <summary>These folders and nothing else.</summary>
    public static LibraryFolders Only(params IEnumerable<string> folders) => new(false, folders, [], []);

    /// <summary>What to load, in order; a name without a folder is left to the system's loader.</summary>
    public IEnumerable<string> Candidates(string fileName, IReadOnlyList<string> wheelFolders)
    {
        foreach (string path in _preferred.Select(folder => Path.Combine(folder, fileName)).Where(File.Exists))
        {
            yield return path;
        }

        if (_usesLoader)
        {
            yield return fileName;
        }

        IEnumerable<string> wheels = _sitePackages.SelectMany(site => wheelFolders.Select(wheel => Path.Combine(site, wheel)));
        foreach (string path in _usual.Concat(wheels).Select(folder => Path.Combine(folder, fileName)).Where(File.Exists))
        {
            yield return path;
        }
    }

    /// <summary>The places as part of a sentence.</summary>
    public string Describe(IReadOnlyList<string> wheelFolders)
    {
        List<string> places = [.. _preferred];
        if (_usesLoader)
        {
            places.Add("the loader's path (LD_LIBRARY_PATH, ldconfig)");
        }

        places.AddRange(_usual.Where(Directory.Exists));
        places.AddRange(_sitePackages.SelectMany(site => wheelFolders.Select(wheel => Path.Combine(site, wheel))));
        return places.Count == 0 ? "no folder" : string.Join(", ", places);
    }

    private static IEnumerable<string> Toolkit(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } root ? LibrariesOf(root) : [];

    private static IEnumerable<string> LibrariesOf(string root) =>
        [Path.Combine(root, "lib64"), Path.Combine(root, "lib"), Path.Combine(root, "targets", "x86_64-linux", "lib")];

    private static IEnumerable<string> SitePackages()
    {
        IEnumerable<string?> prefixes =
        [
            Environment.GetEnvironmentVariable("VIRTUAL_ENV"), Environment.GetEnvironmentVariable("CONDA_PREFIX"), PythonPrefix(),
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local"), "/usr/local", "/usr",
        ];
        foreach (string library in prefixes.OfType<string>().Where(prefix => prefix.Length > 0).Select(prefix => Path.Combine(prefix, "lib")))
        {
            foreach (string python in Matches(library, "python3*"))
            {
                yield return Path.Combine(python, "site-packages");
                yield return Path.Combine(python, "dist-packages");
            }
        }
    }

    /// <summary>The folder above <c>bin/python3</c>; of an environment, not of the interpreter that it links to.</summary>
    private static string? PythonPrefix() => (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Where(folder => File.Exists(Path.Combine(folder, "python3")))
        .Select(Path.GetDirectoryName)
        .FirstOrDefault();

    private static string[] Matches(string folder, string pattern)
    {
        try
        {
            string[] found = Directory.Exists(folder) ? Directory.GetDirectories(folder, pattern) : [];
            Array.Sort(found, StringComparer.Ordinal);
            return found;
        }
        catch (UnauthorizedAccessException)
        {
            // A folder that may not be read holds nothing for this user.
            return [];
        }
    }
}
