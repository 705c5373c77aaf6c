#Requires -Version 5.1
# SPDX-License-Identifier: MIT

<#
.SYNOPSIS
Installs and runs keel, a Docker engine, as a WSL distro on Windows.

.DESCRIPTION
NOT RUN ON WINDOWS YET. It is written after the documentation of the commands that it uses (docs/windows.md lists each)
and after WSL's public sources, and was read by two parsers, never by PowerShell on a Windows machine. Try every verb
with -WhatIf first; it prints what would be done and does none of it.

Containers, images and volumes are on a disk of their own, the file of -Data. No verb deletes that file, except uninstall
with -DeleteData, which asks for its path.

The verbs:
install           makes the data disk if there is none, registers the distro, starts it
start             attaches the data disk, opens the session that keeps the distro running, waits for the engine
hold              the same in this console, without waiting: it stays until the distro ends
stop              stops engine and distro, detaches the data disk
status            what is up, what is not, why
upgrade           replaces the distro by that of -Image; the data disk stays
backup            copies the data disk to -To, while the engine is stopped
compact           gives unused space of the data disk's file back to Windows
grow              makes the data disk -Size large
register-logon    starts keel when you log on (a scheduled task)
register-ports    lets Windows programs use the guest's ports 700 and 701 and serve 702 (as administrator)
unregister-ports  takes that back
uninstall         unregisters the distro and the task; the data disk stays, unless -DeleteData

.PARAMETER Verb
What to do: one of the verbs above.

.PARAMETER Name
The distro's name.

.PARAMETER Location
The folder for the distro's own disk. It is deleted with the distro, so it must not hold anything else. upgrade keeps it
without -Location.

.PARAMETER Data
The data disk, a .vhdx file. It must not lie in -Location.

.PARAMETER Image
The file keel.wsl, for install and upgrade.

.PARAMETER Size
The data disk's size, such as 200GB, for install and grow. The file takes only what is used of it.

.PARAMETER To
The file that backup writes.

.PARAMETER DeleteData
For uninstall: delete the data disk too, after its path was typed in.

.EXAMPLE
.\keel.ps1 install -Image .\keel.wsl -Size 200GB

.EXAMPLE
.\keel.ps1 upgrade -Image .\keel.wsl -WhatIf

.EXAMPLE
.\keel.ps1 compact
#>
[CmdletBinding(SupportsShouldProcess = $true, PositionalBinding = $false)]
param(
    [Parameter(Mandatory = $true, Position = 0)]
    [ValidateSet('install', 'start', 'hold', 'stop', 'status', 'upgrade', 'backup', 'compact', 'grow', 'register-logon',
        'register-ports', 'unregister-ports', 'uninstall')]
    [string] $Verb,

    [ValidatePattern('^[a-zA-Z0-9._-]{1,64}$')]
    [string] $Name = 'docker-desktop',

    [ValidateNotNullOrEmpty()]
    [string] $Location = (Join-Path -Path $env:LOCALAPPDATA -ChildPath 'keel\distro'),

    [ValidateNotNullOrEmpty()]
    [string] $Data = (Join-Path -Path $env:LOCALAPPDATA -ChildPath 'keel\data.vhdx'),

    [string] $Image = '',

    # 1 GB to 64 TB, both as one type
    [ValidateRange(1073741824L, 70368744177664L)]
    [uint64] $Size = 64GB,

    [string] $To = '',

    [switch] $DeleteData
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$script:ReadySeconds = 120
$script:PortsKey = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\GuestCommunicationServices'
$script:Ports = @{ 700 = 'keel API'; 701 = 'keel Docker API'; 702 = 'keel report' }
$script:TaskName = "keel ($Name)"
$script:DistrosKey = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Lxss'

# ---- wsl.exe ---------------------------------------------------------------------------------------

# Runs wsl.exe and returns its lines; an exit status other than 0 is an error that quotes them.
function Invoke-Wsl {
    param([string[]] $Arguments)
    $encoding = [Console]::OutputEncoding
    $lines = @()
    try {
        # Without these wsl.exe writes UTF-16 into a pipe.
        $env:WSL_UTF8 = '1'
        [Console]::OutputEncoding = New-Object -TypeName System.Text.UTF8Encoding
        # In Windows PowerShell a line on stderr would end the script here.
        $ErrorActionPreference = 'Continue'
        $lines = @(& wsl.exe @Arguments 2>&1 | ForEach-Object -Process { "$_".TrimEnd() })
    }
    finally {
        $ErrorActionPreference = 'Stop'
        [Console]::OutputEncoding = $encoding
    }
    if ($LASTEXITCODE -ne 0) {
        throw "wsl.exe $($Arguments -join ' ') ended with status ${LASTEXITCODE}: $($lines -join ' ')"
    }
    return $lines
}

# True if the distro is registered; with -Running, if it runs. `wsl --list` fails when its list is empty.
function Test-Distro {
    param([switch] $Running)
    $arguments = @('--list', '--quiet')
    if ($Running) {
        $arguments += '--running'
    }
    try {
        return @(Invoke-Wsl -Arguments $arguments) -contains $Name
    }
    catch {
        Write-Verbose -Message "$_"
        return $false
    }
}

function Assert-Distro {
    if (-not (Test-Distro)) {
        throw "There is no distro '$Name'. Make it with: keel.ps1 install -Image keel.wsl"
    }
}

# What WSL has on record of the distro, without starting it: Flavor (ID of its os-release), BasePath (its folder).
function Get-DistroRecord {
    param([string] $Value)
    foreach ($key in @(Get-ChildItem -LiteralPath $script:DistrosKey)) {
        if ($key.GetValue('DistributionName', '') -eq $Name) {
            return [string] $key.GetValue($Value, '') -replace '^\\\\\?\\', ''
        }
    }
    throw "There is no record of the distro '$Name' under $script:DistrosKey. Nothing was changed."
}

# Docker Desktop's own distro has the name of -Name's default: no distro but keel's is replaced or removed.
function Assert-Keel {
    $flavor = Get-DistroRecord -Value 'Flavor'
    if ($flavor -ne 'keel') {
        throw "The distro '$Name' is not keel's, WSL knows it as '$flavor'. Nothing was changed. Say keel's name with -Name."
    }
}

# Runs a block; after an error also the other, whose own error does not hide the first.
function Invoke-OrUndo {
    param([scriptblock] $First, [scriptblock] $Undo)
    try {
        & $First
    }
    catch {
        $failure = $_
        try {
            & $Undo
        }
        catch {
            Write-Warning -Message "$_"
        }
        throw $failure
    }
}

# Runs both blocks, the last also after an error of the first.
function Invoke-Both {
    param([scriptblock] $First, [scriptblock] $Last)
    Invoke-OrUndo -First $First -Undo $Last
    & $Last
}

# Runs a command in the guest and returns its lines.
function Invoke-Guest {
    param([string[]] $Command)
    return Invoke-Wsl -Arguments (@('--distribution', $Name, '--exec') + $Command)
}

# ---- the data disk ---------------------------------------------------------------------------------

function Assert-DataDisk {
    if (-not (Test-Path -LiteralPath $Data -PathType Leaf)) {
        throw "There is no data disk $Data. Say where it is with -Data, or make one with install."
    }
}

# `wsl --unregister` deletes the distro's folder's disk: the data disk must be elsewhere.
function Assert-Apart {
    $folder = [IO.Path]::GetFullPath($Location).TrimEnd('\') + '\'
    if ([IO.Path]::GetFullPath($Data).StartsWith($folder, [StringComparison]::OrdinalIgnoreCase)) {
        throw "The data disk $Data lies in the distro's folder $Location, which goes with the distro. Move one of them."
    }
}

function Test-HyperVModule {
    return $null -ne (Get-Command -Name 'Optimize-VHD' -ErrorAction SilentlyContinue)
}

# Runs a script of diskpart's, which is there on every Windows. It wants an administrator.
function Invoke-DiskPart {
    param([string[]] $Lines)
    if (($Lines -join '') -match '[^ -~]') {
        throw "diskpart may misread $Data, which is not plain ASCII. Say another with -Data, such as C:\keel\data.vhdx."
    }
    $file = [IO.Path]::GetTempFileName()
    try {
        Set-Content -LiteralPath $file -Value $Lines -Encoding Ascii
        $said = @(& diskpart.exe /s $file)
        if ($LASTEXITCODE -ne 0) {
            throw "diskpart ended with status ${LASTEXITCODE} (is this an administrator's console?): $($said -join ' ')"
        }
    }
    finally {
        Remove-Item -LiteralPath $file -Force
    }
}

function New-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    if (-not $PSCmdlet.ShouldProcess($Data, "make a data disk of at most $($Size / 1GB) GB")) {
        return
    }
    $null = New-Item -ItemType Directory -Force -Path (Split-Path -Path $Data -Parent)
    if (Test-HyperVModule) {
        $null = New-VHD -Path $Data -SizeBytes $Size -Dynamic -BlockSizeBytes 1MB
    }
    else {
        Invoke-DiskPart -Lines @("create vdisk file=""$Data"" maximum=$([uint64]($Size / 1MB)) type=expandable")
    }
    # Made in an administrator's console it is the administrators'; WSL opens it as the user.
    $null = & icacls.exe $Data /setowner "*$([Security.Principal.WindowsIdentity]::GetCurrent().User.Value)"
    if ($LASTEXITCODE -ne 0) {
        Write-Warning -Message "$Data may belong to somebody else: icacls ended with status $LASTEXITCODE."
    }
}

function Mount-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-DataDisk
    if (-not $PSCmdlet.ShouldProcess($Data, 'attach to WSL')) {
        return
    }
    try {
        $null = Invoke-Wsl -Arguments @('--mount', $Data, '--vhd', '--bare')
    }
    catch {
        if ("$_" -notmatch 'ALREADY_ATTACHED') {
            throw
        }
    }
}

function Dismount-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    if (-not $PSCmdlet.ShouldProcess($Data, 'detach from WSL')) {
        return
    }
    try {
        $null = Invoke-Wsl -Arguments @('--unmount', $Data)
    }
    catch {
        # Not attached is what was wanted.
        if ("$_" -notmatch 'FILE_NOT_FOUND|0x80070002') {
            throw
        }
    }
}

# ---- the distro ------------------------------------------------------------------------------------

function Assert-Image {
    if (-not $Image -or -not (Test-Path -LiteralPath $Image -PathType Leaf)) {
        throw 'Say which file with -Image: the keel.wsl of a release, or of build\out. Nothing was changed.'
    }
}

function Register-Distro {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    $file = (Resolve-Path -LiteralPath $Image).ProviderPath
    if ($PSCmdlet.ShouldProcess($Name, "register the distro of $file in $Location")) {
        $null = New-Item -ItemType Directory -Force -Path $Location
        $null = Invoke-Wsl -Arguments @('--import', $Name, $Location, $file, '--version', '2')
    }
}

# Whether the guest formats a data disk that is provably blank: only while install has just made one.
function Set-FormatPolicy {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([string] $From, [string] $Into)
    if ($PSCmdlet.ShouldProcess($Name, "$Into in /etc/keel/keel.conf")) {
        $null = Invoke-Guest -Command @('sed', '-i', "s/^$From`$/$Into/", '/etc/keel/keel.conf')
    }
}

function Start-Keel {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-Distro
    Assert-DataDisk
    if (-not $PSCmdlet.ShouldProcess($Name, 'start, and keep it running')) {
        return
    }
    # Attached here first, so that what fails is seen.
    Mount-DataDisk
    $line = Get-HoldCommand
    $null = Start-Process -FilePath 'powershell.exe' -ArgumentList $line -WindowStyle Hidden
    Wait-Engine
}

# The command line of a process that attaches the disk and holds a session open.
function Get-HoldCommand {
    return "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File ""$PSCommandPath"" hold -Name ""$Name"" -Data ""$Data"""
}

# A distro without a Windows client is stopped after 15 s, whatever runs in it.
function Invoke-Hold {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Mount-DataDisk
    if ($PSCmdlet.ShouldProcess($Name, 'hold a session open')) {
        & wsl.exe --distribution $Name --exec /bin/sleep inf
    }
}

function Wait-Engine {
    try {
        $null = Invoke-Guest -Command @('keelctl', 'wait', '--timeout', "$script:ReadySeconds")
    }
    catch {
        throw "The engine is not ready. $_ More: keel.ps1 status"
    }
    Write-Output -InputObject 'The engine is ready.'
}

function Stop-Keel {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    if ((Test-Distro -Running) -and $PSCmdlet.ShouldProcess($Name, 'stop engine and distro')) {
        $null = Invoke-Wsl -Arguments @('--terminate', $Name)
    }
    Dismount-DataDisk
}

# Runs a block while the data disk is not in use; what ran before runs again, also after an error.
function Invoke-Offline {
    param([scriptblock] $Block)
    $wasRunning = Test-Distro -Running
    Stop-Keel
    Invoke-Both -First $Block -Last {
        if ($wasRunning) {
            Start-Keel
        }
    }
}

function Show-Status {
    Assert-Distro
    if (-not (Test-Distro -Running)) {
        Write-Output -InputObject "$Name is not running. Start it with: keel.ps1 start"
        return
    }
    foreach ($command in @(@('keelctl', 'status'), @('keelctl', 'disk', 'status'))) {
        # What ends with an error says why, which is what is wanted here.
        try {
            Write-Output -InputObject (Invoke-Guest -Command $command)
        }
        catch {
            Write-Output -InputObject "$_"
        }
    }
    if (Test-Path -LiteralPath $Data) {
        $bytes = (Get-Item -LiteralPath $Data).Length
        Write-Output -InputObject ("{0} takes {1:N1} GB of this drive." -f $Data, ($bytes / 1GB))
    }
}

# ---- verbs that take several steps --------------------------------------------------------------------

# The distro comes first: what fails until the disk is there leaves nothing behind, and install can be called again.
function Install-Keel {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-Apart
    Assert-Image
    if (Test-Distro) {
        throw "There is a distro '$Name' already. Keel's is replaced with: keel.ps1 upgrade -Image keel.wsl. " +
            'Is it Docker Desktop''s, install keel beside it with: -Name keel, for every verb'
    }
    $isNew = -not (Test-Path -LiteralPath $Data)
    Register-Distro
    if ($isNew) {
        Invoke-OrUndo -First { New-DataDisk } -Undo { Unregister-Distro }
        Invoke-Both -First {
            Set-FormatPolicy -From '# format = never' -Into 'format = blank'
            Stop-Keel
            Start-Installed
        } -Last {
            Set-FormatPolicy -From 'format = blank' -Into '# format = never'
        }
    }
    else {
        Start-Installed
    }
}

# With -WhatIf there is no distro to start.
function Start-Installed {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    if ($PSCmdlet.ShouldProcess($Name, 'start')) {
        Start-Keel
    }
}

function Unregister-Distro {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-Keel
    if ($PSCmdlet.ShouldProcess($Name, 'unregister the distro; the data disk stays')) {
        $null = Invoke-Wsl -Arguments @('--unregister', $Name)
    }
}

# All that can be known to fail later is looked at before the old distro goes.
function Update-Keel {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([bool] $LocationGiven)
    Assert-Distro
    Assert-Keel
    if (-not $LocationGiven) {
        $script:Location = Get-DistroRecord -Value 'BasePath'
    }
    Assert-Apart
    Assert-Image
    Assert-DataDisk
    Stop-Keel
    Unregister-Distro
    Register-Distro
    Start-Installed
}

function Backup-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-DataDisk
    if (-not $To) {
        throw 'Say with -To which file to write.'
    }
    if (Test-Path -LiteralPath $To) {
        throw "$To is there already; nothing is written over."
    }
    Invoke-Offline -Block {
        # A copy that was not finished must not look like one that was.
        if ($PSCmdlet.ShouldProcess($Data, "copy to $To")) {
            Copy-Item -LiteralPath $Data -Destination "$To.partial"
            Move-Item -LiteralPath "$To.partial" -Destination $To
        }
    }
}

function Optimize-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-DataDisk
    if (-not $PSCmdlet.ShouldProcess($Data, 'trim in the guest, stop, compact the file, start')) {
        return
    }
    # What the guest has not given back cannot be taken out of the file.
    if (Test-Distro -Running) {
        $null = Invoke-Guest -Command @('keelctl', 'disk', 'trim')
    }
    $before = (Get-Item -LiteralPath $Data).Length
    Invoke-Offline -Block {
        if (Test-HyperVModule) {
            Optimize-VHD -Path $Data -Mode Full
        }
        else {
            # diskpart ends at the first error; a disk that is left attached to Windows can be attached to nothing else.
            Invoke-Both -First {
                Invoke-DiskPart -Lines @("select vdisk file=""$Data""", 'attach vdisk readonly', 'compact vdisk')
            } -Last {
                Invoke-DiskPart -Lines @("select vdisk file=""$Data""", 'detach vdisk')
            }
        }
    }
    $after = (Get-Item -LiteralPath $Data).Length
    Write-Output -InputObject ("{0}: {1:N1} GB before, {2:N1} GB now." -f $Data, ($before / 1GB), ($after / 1GB))
}

function Resize-DataDisk {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([bool] $SizeGiven)
    Assert-DataDisk
    if (-not $SizeGiven) {
        throw 'Say with -Size how large it is to be, such as 500GB.'
    }
    if (-not $PSCmdlet.ShouldProcess($Data, "stop, make it $($Size / 1GB) GB large, start")) {
        return
    }
    Invoke-Offline -Block {
        if (Test-HyperVModule) {
            # Resize-VHD also shrinks, and cuts the file system. diskpart's `expand` does not.
            $now = (Get-VHD -Path $Data).Size
            if ($now -ge $Size) {
                throw "$Data is $($now / 1GB) GB large already. It cannot be made smaller."
            }
            Resize-VHD -Path $Data -SizeBytes $Size
        }
        else {
            Invoke-DiskPart -Lines @("select vdisk file=""$Data""", "expand vdisk maximum=$([uint64]($Size / 1MB))")
        }
    }
    if (Test-Distro -Running) {
        $null = Invoke-Guest -Command @('keelctl', 'disk', 'grow')
    }
}

function Uninstall-Keel {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    $isRegistered = Test-Distro
    if ($isRegistered) {
        Assert-Keel
        $script:Location = Get-DistroRecord -Value 'BasePath'
    }
    Assert-Apart
    if ($DeleteData -and -not $WhatIfPreference) {
        Assert-DataDisk
        $typed = Read-Host -Prompt "All containers, images and volumes are in $Data. Type this path to delete it"
        if ($typed -ne $Data) {
            throw 'That is another path. Nothing was changed.'
        }
    }
    Stop-Keel
    $task = Get-ScheduledTask -TaskName $script:TaskName -ErrorAction SilentlyContinue
    if ($null -ne $task -and $PSCmdlet.ShouldProcess($script:TaskName, 'remove the scheduled task')) {
        Unregister-ScheduledTask -TaskName $script:TaskName -Confirm:$false
    }
    if ($isRegistered) {
        Unregister-Distro
    }
    if ($DeleteData -and $PSCmdlet.ShouldProcess($Data, 'DELETE the data disk')) {
        Remove-Item -LiteralPath $Data
    }
    else {
        Write-Output -InputObject "The data disk $Data was left as it is."
    }
}

# ---- what Windows is told ------------------------------------------------------------------------------

function Register-Logon {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    Assert-Distro
    if (-not $PSCmdlet.ShouldProcess($script:TaskName, 'register a task at logon')) {
        return
    }
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument "-WindowStyle Hidden $(Get-HoldCommand)"
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User "$env:USERDOMAIN\$env:USERNAME"
    # The session lasts as long as the logon: no time limit, also on battery.
    $settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries `
        -DontStopIfGoingOnBatteries -MultipleInstances IgnoreNew
    $null = Register-ScheduledTask -TaskName $script:TaskName -Action $action -Trigger $trigger -Settings $settings -Force
}

# The GUID of a vsock port: the port in hexadecimal, in the place of the first field.
function Get-PortGuid {
    param([uint32] $Port)
    return ('{0:x8}-facb-11e6-bd58-64006a7986d3' -f $Port)
}

function Assert-Administrator {
    $identity = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList (
        [Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw "This writes to $script:PortsKey, which wants an administrator's console."
    }
}

function Register-Port {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    foreach ($port in ($script:Ports.Keys | Sort-Object)) {
        $key = Join-Path -Path $script:PortsKey -ChildPath (Get-PortGuid -Port $port)
        if ($PSCmdlet.ShouldProcess($key, "register $($script:Ports[$port]), port $port")) {
            Assert-Administrator
            $null = New-Item -Path $key -Force
            $null = New-ItemProperty -Path $key -Name 'ElementName' -Value $script:Ports[$port] -PropertyType String -Force
        }
    }
}

function Unregister-Port {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param()
    foreach ($port in ($script:Ports.Keys | Sort-Object)) {
        $key = Join-Path -Path $script:PortsKey -ChildPath (Get-PortGuid -Port $port)
        if ((Test-Path -LiteralPath $key) -and $PSCmdlet.ShouldProcess($key, "remove the registration of port $port")) {
            Assert-Administrator
            Remove-Item -LiteralPath $key
        }
    }
}

$Data = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Data)
$Location = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Location)
if ($null -eq (Get-Command -Name 'wsl.exe' -ErrorAction SilentlyContinue)) {
    throw 'There is no wsl.exe. Install WSL first: wsl.exe --install --no-distribution, as administrator, then restart.'
}
switch ($Verb) {
    'install' { Install-Keel }
    'start' { Start-Keel }
    'hold' { Invoke-Hold }
    'stop' { Stop-Keel }
    'status' { Show-Status }
    'upgrade' { Update-Keel -LocationGiven $PSBoundParameters.ContainsKey('Location') }
    'backup' { Backup-DataDisk }
    'compact' { Optimize-DataDisk }
    'grow' { Resize-DataDisk -SizeGiven $PSBoundParameters.ContainsKey('Size') }
    'register-logon' { Register-Logon }
    'register-ports' { Register-Port }
    'unregister-ports' { Unregister-Port }
    'uninstall' { Uninstall-Keel }
}
